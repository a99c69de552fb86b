"""The command line; each command calls one function elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from nlp.artifact import ArtifactError
from service import auth
from service.errors import JourneymapError
from service.monitor import logs
from service.settings import PREFIX, Settings, SettingsError, unknown_variables
from service.store.engine import Database
from service.store.migrate import MigrationError
from service.store.migrate import migrate as migrate_database

log = logging.getLogger(__name__)

app = typer.Typer(
    name="journeymap",
    help="Customer feedback in, a living journey map and its adaptations out. Settings come from the environment; "
    "`journeymap settings` lists them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

WorkspaceName = Annotated[str, typer.Option("--workspace", help="Name of the workspace.")]
HIDDEN = frozenset({"secret_key", "smtp_password"})


class Tier(StrEnum):
    """Which of the pipeline's two ways of tagging."""

    accurate = "accurate"
    fast = "fast"


def _settings(*, warn: bool = True) -> Settings:
    """The settings, with a line in the log about variables that are none; not if a parent has said it already."""
    settings = Settings.from_environment()
    logs.configure(settings)
    unknown = unknown_variables() if warn else {}
    if unknown:
        named = (f"{name} (did you mean {near}?)" if near else name for name, near in unknown.items())
        log.warning("no settings of this name, ignored: %s; `journeymap settings` lists all", ", ".join(named))
    return settings


def _installation(*, warn: bool = True) -> Settings:
    """The settings of commands that keep something; SettingsError where DATA_DIR can't be written."""
    found = _settings(warn=warn)
    try:
        found.data_dir.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(found.data_dir, os.W_OK | os.X_OK) else "no permission to write"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    if reason:
        raise SettingsError(
            f"{PREFIX}DATA_DIR: {found.data_dir} can't be used ({reason}); name a folder that can be written"
        )
    return found


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Web processes; tagging has one of its own.")] = 1,
) -> None:
    """Migrate the database, then serve API and pages, with one tagging worker unless EMBEDDED_WORKER is false."""
    from service.serve import serve as run

    raise typer.Exit(run(_installation(), host=host, port=port, workers=workers))


@app.command()
def work(
    until_input_ends: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Run one worker: read imports, tag, keep the numbers. Start as many as you have cores to spare."""
    from service.stop import Stop, stop_when_input_ends

    stop = Stop()
    stop.on_signals()
    if until_input_ends:
        stop_when_input_ends(stop)
    settings = _installation(warn=not until_input_ends)  # `serve`, which started it then, has said it
    # loads the language libraries: after the parent is watched, so that no orphan is left behind
    from service.worker import run

    run(settings, stop)


@app.command()
def migrate() -> None:
    """Create the tables, or bring them to this version's schema. Safe to run at any time."""
    migrate_database(_installation().sqlalchemy_url)


@app.command()
def settings() -> None:
    """List every setting: its environment variable, current value and meaning."""
    found = Settings.from_environment()
    for name, field in Settings.model_fields.items():
        value = getattr(found, name)
        shown = "(hidden)" if name in HIDDEN and value else str("" if value is None else value)
        changed = " (set)" if os.environ.get(PREFIX + name.upper()) else ""
        typer.echo(f"{PREFIX}{name.upper()}={_without_password(shown)}{changed}\n    {field.description}")


def _without_password(address: str) -> str:
    """A database address that may be shown."""
    from sqlalchemy.engine import make_url

    return make_url(address).render_as_string() if address.startswith("postgresql") else address


@app.command()
def create_key(
    scopes: Annotated[str, typer.Option(help="Comma-separated: ingest, read, review, admin.")],
    workspace: WorkspaceName = "default",
    name: Annotated[str, typer.Option(help="What the key is for.")] = "command line",
) -> None:
    """Make an API key and print it, alone, on standard output. It can't be shown again."""
    database = _database()
    with database.write() as session:
        key = auth.create_key(
            session,
            workspace=auth.workspace_named(session, workspace, create=True),
            scopes=[scope.strip() for scope in scopes.split(",") if scope.strip()],
            name=name,
        )
    typer.echo(key)


@app.command()
def invite(
    name: Annotated[str, typer.Argument(help="Whom to invite.")],
    role: Annotated[str, typer.Option(help="viewer, analyst, lead or admin.")] = "viewer",
    workspace: WorkspaceName = "default",
) -> None:
    """Add a person (or change the role) and print a link that signs them in once."""
    found = _settings()
    database = _database(found)
    with database.write() as session:
        token = auth.invite(
            session,
            workspace=auth.workspace_named(session, workspace, create=True),
            name=name,
            role=role,
            hours=found.invite_hours,
        )
    typer.echo(f"{found.public_url}/sign-in?token={token}")


@app.command()
def tag(
    input: Annotated[Path, typer.Option("--input", help='NDJSON: {"id", "text", "question"?} a line.')],
    output: Annotated[Path, typer.Option("--output", help="NDJSON, a line of labels for every line of input.")],
    tier: Annotated[
        Tier | None, typer.Option(help="The better or the quicker way, where the model has both.")
    ] = None,
) -> None:
    """Tag a file, without any database."""
    from service.commands import tag_file

    raise typer.Exit(tag_file(_settings(), input, output, tier=tier.value if tier else None))


@app.command()
def evaluate(gold: Annotated[Path, typer.Argument(help="A TSV of texts with their true labels.")]) -> None:
    """Measure the model on labelled texts: accuracy, macro-F1 per field and label, calibration error, n."""
    from service.commands import evaluate_file

    evaluate_file(_settings(), gold)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="csv, tsv, xlsx, json or ndjson, also .gz and .zip.")],
    source: Annotated[
        str | None, typer.Option(help="Name of where it comes from; the file's name if not given.")
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="survey, review, ticket, chat, call, social or other.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Known export format; found by itself if not given.")] = None,
    mapping: Annotated[str | None, typer.Option(help='JSON: {"column": "field", …}.')] = None,
    timezone: Annotated[str | None, typer.Option(help="Of times without one, as in Europe/Berlin.")] = None,
    day_first: Annotated[
        bool | None, typer.Option("--day-first/--month-first", help="Whether 3/4/2026 is the 3rd of April.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of the text, as in windows-1252; found by itself if not given.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help='Between columns: one character, or "tab".')] = None,
    sheet: Annotated[
        str | None, typer.Option(help="Of a workbook; the first that is not empty if not given.")
    ] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="Whether the first row holds the columns' names.")
    ] = None,
    on_error: Annotated[
        str, typer.Option(help="After a row that can't be taken: continue or abort.")
    ] = "continue",
    dry_run: Annotated[
        bool, typer.Option(help="Only show how the file is understood; nothing is stored.")
    ] = False,
    workspace: WorkspaceName = "default",
    wait: Annotated[bool, typer.Option(help="Wait until everything is tagged.")] = True,
) -> None:
    """Import a feedback file, exactly as POST /v1/imports does."""
    from service.commands import import_feedback, preview_import, readable

    readable(file)  # before a database is made for it
    found = _settings()
    options = {
        "source": source,
        "channel": channel,
        "preset": preset,
        "mapping": mapping,
        "timezone": timezone,
        "day_first": day_first,
        "encoding": encoding,
        "delimiter": delimiter,
        "sheet": sheet,
        "header": header,
        "on_error": on_error,
    }
    database = _database(found)
    if dry_run:
        raise typer.Exit(preview_import(found, database, file, workspace=workspace, options=options))
    raise typer.Exit(import_feedback(found, database, file, workspace=workspace, options=options, wait=wait))


@app.command()
def adaptations(
    workspace: WorkspaceName = "default",
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 20,
) -> None:
    """Show the table stage | customer feedback | possible adaptation."""
    from service.suggest import table

    _weigh_by_scores()
    table.render(_database(), workspace=workspace, limit=limit)


@app.command()
def export(
    output: Annotated[Path, typer.Argument(help="File to write.")],
    form: Annotated[str, typer.Option("--format", help="csv, ndjson or parquet.")] = "csv",
    workspace: WorkspaceName = "default",
) -> None:
    """Write every item with its labels, confidences and corrections to a file."""
    from service.commands import export_items

    export_items(_database(), output, form=form, workspace=workspace)


@app.command()
def backup(target: Annotated[Path, typer.Argument(help="File to write, e.g. backup.tar.gz.")]) -> None:
    """Write one file with everything, as of one moment, while the service runs."""
    from service.commands import backup_to

    found = _settings()
    backup_to(found, _database(found), target)


@app.command()
def restore(source: Annotated[Path, typer.Argument(help="A file that `backup` made.")]) -> None:
    """Fill an empty installation from a backup."""
    from service.commands import restore_from

    restore_from(_settings(), source)


@app.command()
def doctor(
    repair: Annotated[bool, typer.Option(help="Rebuild numbers that differ from a recount.")] = False,
) -> None:
    """Check this installation and say what to do where something is wrong."""
    from service.commands import examine

    raise typer.Exit(examine(_settings(), repair=repair))


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    remove: Annotated[bool, typer.Option("--remove", help="Delete the sample workspace instead.")] = False,
) -> None:
    """Serve on localhost with the bundled sample, and print the adaptation table and a sign-in link."""
    from service import demo as sample

    if remove:
        typer.echo(f"Removed {sample.remove(_installation())} sample items.")
        return
    _weigh_by_scores()
    raise typer.Exit(sample.run(_installation(), port=port))


def _weigh_by_scores() -> None:
    """Suggestions printed here rank as those that the service shows."""
    from service.aggregate.score_effects import score_effects
    from service.store.score_effects import counted_by

    counted_by(score_effects)


def _database(found: Settings | None = None) -> Database:
    """The migrated database of the settings; commands end with their process, so nobody disposes of it."""
    found = found or _installation()
    migrate_database(found.sqlalchemy_url)
    return Database(found.sqlalchemy_url)


def main() -> None:
    """Run a command; every error is one line on standard error and an exit code other than 0."""
    try:
        app()
    except (JourneymapError, SettingsError) as error:
        _end(2, str(error))
    except (ArtifactError, MigrationError) as error:
        _end(1, str(error))
    except SQLAlchemyError as error:
        # the text of a database error may hold rows
        cause = type(getattr(error, "orig", None) or error).__name__
        _end(1, f"the database can't be used ({cause}); check {PREFIX}DATABASE_URL, or run `journeymap doctor`")
    except OSError as error:
        _end(1, f"{error.strerror or type(error).__name__}: {error.filename}" if error.filename else str(error))
    except KeyboardInterrupt:
        _end(130, "stopped")
    except Exception as error:
        found = logs.place(error)
        _end(1, f"unexpected {found['type']} at {found['where']}")


def _end(code: int, message: str) -> None:
    print(f"journeymap: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
