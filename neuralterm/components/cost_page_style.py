"""How the page of costs looks: on screens light and dark, and on paper."""

STYLE = """\
:root { --paper: #fff; --ink: #1d2430; --soft: #5a6372; --rule: #d9dde3;
  --billed: #1f6feb; --reconciled: #0f8a80; --computed: #8250df; --estimated: #b35900; --unsettled: #b4232c; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #12161c; --ink: #e6e9ee; --soft: #a3abb8; --rule: #2f3742;
    --billed: #58a6ff; --reconciled: #3fc1b4; --computed: #bc8cff; --estimated: #f0a050; --unsettled: #ff7b72; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; overflow-wrap: anywhere; }
.total { font-size: 2rem; font-weight: 600; }
.scroll, .chart { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; font-size: .9rem; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
thead th { color: var(--soft); }
th[scope=row] { font-weight: 400; }
th bdi { display: inline-block; width: max-content; max-width: min(18rem, 45vw); overflow-wrap: anywhere; }
thead ~ tbody td, .n { white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { display: block; }
.chart svg { width: 100%; min-width: 40rem; }
.meter { min-width: 8rem; }
.meter svg { width: 100%; height: 1rem; margin-top: .25rem; }
.swatch { width: .9rem; height: .9rem; margin-top: .3rem; }
.patterns { position: absolute; width: 0; height: 0; }
text { fill: var(--ink); font: 12px ui-monospace, monospace; }
.line { stroke: var(--rule); }
.rest { fill: var(--rule); }
.billed { fill: var(--billed); }
.reconciled { fill: var(--reconciled); }
.computed { fill: var(--computed); }
.estimated { fill: url(#hatched); stroke: var(--estimated); }
.unsettled { fill: url(#dotted); stroke: var(--unsettled); stroke-dasharray: 3 2; }
.hatch { stroke: var(--estimated); stroke-width: 3; }
.dot { fill: var(--unsettled); }
@media print {
  * { print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  .scroll, .chart { overflow: visible; }
  thead ~ tbody td:not(.n) { white-space: normal; }
  .chart svg { min-width: 0; }
  .chart, tr, h2 { break-inside: avoid; }
  h2 { break-after: avoid; }
}
"""

# What is not certain is told from what is by more than its colour.
PATTERNS = """\
<svg class="patterns" aria-hidden="true"><defs>
<pattern id="hatched" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<line class="hatch" x1="1.5" y1="0" x2="1.5" y2="6"/></pattern>
<pattern id="dotted" width="5" height="5" patternUnits="userSpaceOnUse"><circle class="dot" cx="2.5" cy="2.5" r="1"/></pattern>
</defs></svg>"""
