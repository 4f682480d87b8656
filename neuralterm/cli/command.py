"""Commands as ours are: their help, and the option that shows it, without the translations that Click looks for."""

from __future__ import annotations

import click


def _show_help(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
    if is_given and not ctx.resilient_parsing:
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


# Making Click's own looks for translations, which takes milliseconds.
_HELP = click.Option(
    ["-h", "--help"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_help,
    help="Show this message and exit.",
)


class Command(click.Command):
    """A command whose help has headings for its options where there are many, and examples at the end."""

    def get_help_option(self, ctx: click.Context) -> click.Option:
        """Return the option that shows the help, the same for all commands."""
        return _HELP

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write how the command is called."""
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), "Usage: ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings."""
        from neuralterm.cli.help_page import write_options

        write_options(self, ctx, formatter)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command says of itself, without its examples."""
        from neuralterm.cli.help_page import write_description

        write_description(self, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        from neuralterm.cli.help_page import write_examples

        write_examples(self, formatter)
