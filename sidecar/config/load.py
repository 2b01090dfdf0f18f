"""harbor.yml and the environment => Settings, or a ConfigError that names every error."""

from collections.abc import Mapping
from pathlib import Path

from sidecar.config.build import settings_of
from sidecar.config.cross_field import check_cross_field
from sidecar.config.document import read_document
from sidecar.config.environment import lay_over
from sidecar.config.errors import Errors
from sidecar.config.model import HarborYml
from sidecar.config.notices import notices_of
from sidecar.config.passes import leave_out_nulls, read_files, validated
from sidecar.config.settings import Settings
from sidecar.config.templates import check_templates
from sidecar.model.errors import ConfigError


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings; raises ConfigError with every error, one line each.

    Paths are relative to the folder of harbor.yml. No content of the file raises anything else.
    """
    try:
        return _load(path, environ)
    except ConfigError:
        raise
    except Exception as exc:
        raise ConfigError((_unforeseen(path, exc),)) from exc


def _unforeseen(path: Path, exc: BaseException) -> str:
    """A message for an unexpected exception, without any value, which may be a secret."""
    what, trace = type(exc).__name__, exc.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f" in {Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}" if trace else ""
    if isinstance(exc, MemoryError | RecursionError):
        return f"{path.name}: is too large or nested too deeply ({what}{where})"
    return (
        f"{path.name}: cannot be used, for a reason that nobody thought of ({what}{where}); please report it"
    )


def _load(path: Path, environ: Mapping[str, str]) -> Settings:
    errors = Errors(path.name)
    values = read_document(path, errors)
    if values is None:
        raise ConfigError(errors.lines)
    lay_over(values, environ, HarborYml, errors)
    leave_out_nulls(values, HarborYml)
    files = read_files(values, HarborYml, errors, folder=path.parent)
    check_cross_field(values, errors)
    check_templates(values, HarborYml, errors)
    checked = validated(values, HarborYml, errors)
    if checked is None or errors:
        raise ConfigError(errors.lines)
    notices = tuple(map(str, notices_of(values, HarborYml, errors)))
    return settings_of(checked, folder=path.parent, notices=notices, files=tuple(files))
