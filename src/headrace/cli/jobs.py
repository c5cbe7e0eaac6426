"""`headrace jobs`: long work that is kept, and done though processes die."""

import typer

app = typer.Typer(
    no_args_is_help=True, help="Long work that is kept, and done though processes die."
)


@app.callback()
def root() -> None:
    """Long work that is kept, and done though processes die."""


@app.command()
def kinds() -> None:
    """List the kinds of jobs and what each takes."""
    from headrace.jobs.built_in import built_in_kinds

    every = built_in_kinds()
    for name in every.names:
        kind = every.find(name)
        typer.echo(f"{name}: {kind.about}")
        typer.echo(f"  input: {', '.join(kind.input_type.__struct_fields__)}")
