// How the search of the site ranks pages: as Sphinx does it, guides before the rest, notes on decisions last.
var Scorer = {
  score: ([page, title, anchor, description, score]) => {
    if (page.startsWith("docs/guides/")) return score + 5;
    if (page.startsWith("docs/adr/") || page === "CHANGELOG") return score - 15;
    return score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: {},
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
