"""AWS's SDK, imported before anybody knew for which function, and kept out of sight until that function imports it.

What importing it did to the interpreter is taken back at once: modules, loggers, warning filters, import hooks. It is done
again when the function imports the SDK, if importing it then would have had the same result. If anything that it asked of
the world while it was imported has another answer by then, it is forgotten and imported like anything else: variables of the
environment, and every name that was looked for, found or not, because a package or a layer may bring one.

What takes long with a first session is there, too: a session and its loader, for who is the first to want them. Neither has
looked at any setting; tests/e2e/test_parked_sdk.py has a case for each.
"""

import os
import select
import sys

#: Where the SDK is.
OWN = os.path.dirname(os.path.abspath(__file__))
#: Packages, each with those that it imports. An import of one brings back these, and no more.
PACKAGES = {
    "six": ("six",),
    "jmespath": ("jmespath",),
    "urllib3": ("urllib3",),
    "dateutil": ("dateutil", "six"),
    "botocore": ("botocore", "jmespath", "urllib3", "dateutil", "six"),
    "s3transfer": ("s3transfer", "botocore", "jmespath", "urllib3", "dateutil", "six"),
    "boto3": ("boto3", "s3transfer", "botocore", "jmespath", "urllib3", "dateutil", "six"),
}
#: Imported in this order: each is a step of some milliseconds, and a function waits for no more than one.
STEPS = (
    "typing inspect dataclasses ssl email.parser http.client hmac secrets ipaddress queue urllib.request gzip tempfile mimetypes"
    " xml.etree.ElementTree configparser getpass subprocess multiprocessing multiprocessing.managers"
    " six calendar dateutil.tz dateutil.parser urllib3 jmespath.lexer jmespath"
    " botocore.compat botocore.exceptions botocore.httpchecksum botocore.httpsession botocore.utils botocore.model"
    " botocore.loaders botocore.hooks botocore.awsrequest botocore.auth botocore.credentials botocore.tokens botocore.parsers"
    " botocore.serialize botocore.endpoint botocore.regions botocore.args botocore.client botocore.handlers botocore.session"
    " s3transfer.manager boto3.session boto3"
).split()
#: What a client of any service asks a loader for.
DATA = "endpoints partitions sdk-default-configuration _retry".split()
LISTS = "service-2 endpoint-rule-set-1".split()
IMPORT = __import__


class Recorder:
    """Notes what is looked for and which variables are read while it is entered."""

    def __init__(self):
        self.names = set()
        self.variables = {}

    def find_spec(self, name, path=None, target=None):
        self.names.add(top(name))

    def __enter__(self):
        kind = type(os.environ)
        self.original = kind.__getitem__, kind.__iter__
        reads, iterates = self.original

        def read(environ, name):
            try:
                value = reads(environ, name)
            except KeyError:
                self.variables[name] = None
                raise
            self.variables[name] = value
            return value

        def iterate(environ):
            # All of them are read, and no function has the same.
            self.variables["AWS_LAMBDA_FUNCTION_NAME"] = None
            return iterates(environ)

        kind.__getitem__, kind.__iter__ = read, iterate
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *_):
        sys.meta_path.remove(self)
        kind = type(os.environ)
        kind.__getitem__, kind.__iter__ = self.original

    def same(self):
        return all(os.environ.get(name) == value for name, value in self.variables.items())


class Before:
    """An interpreter before the SDK was imported."""

    def __init__(self):
        import logging
        import warnings

        self.modules = dict(sys.modules)
        self.loggers = dict(logging.root.manager.loggerDict)
        self.filters = list(warnings.filters)
        self.finders = list(sys.meta_path)
        self.cached = set(sys.path_importer_cache)
        self.path = set(sys.path)
        self.hooks = list(sys.path_hooks)

    def restore(self):
        """Returns what is taken back: modules, loggers, warning filters and finders. Python's own modules stay."""
        import logging
        import warnings

        loggers = logging.root.manager.loggerDict
        taken = (
            {name: module for name, module in sys.modules.items() if top(name) in PACKAGES},
            {name: logger for name, logger in loggers.items() if name not in self.loggers},
            self.added_filters(warnings.filters),
            [finder for finder in sys.meta_path if finder not in self.finders],
        )
        for name in taken[0]:
            del sys.modules[name]
        for name in taken[1]:
            del loggers[name]
        if warnings.filters != self.filters:
            warnings.filters[:] = self.filters
            filters_changed(warnings)
        sys.meta_path[:] = self.finders
        for path in set(sys.path_importer_cache) - self.cached:
            del sys.path_importer_cache[path]
        return taken


    def added_filters(self, now):
        """Those before the others and those after, if these are as they were."""
        front = len(now) if not self.filters else next((at for at, one in enumerate(now) if one == self.filters[0]), 0)
        kept = now[front : front + len(self.filters)]
        return (now[:front], now[front + len(kept) :]) if kept == self.filters else None


class Sdk:
    """The SDK out of sight. Asked as a finder, it brings back what was asked for."""

    def __init__(self, before, recorder, first):
        self.recorder = recorder
        self.before = before
        #: Python's modules that come before a function's own are never a function's.
        self.names = recorder.names - first
        self.first = Prepared()
        self.modules, self.loggers, self.filters, self.finders = before.restore()
        for module in self.modules.values():
            # What has been warned about is told again.
            vars(module).pop("__warningregistry__", None)
        self.others = {name: module for name, module in sys.modules.items() if not is_own(module)}
        self.usual = None

    def attach(self):
        """To the function: what finds modules from here on is its business."""
        self.usual = list(sys.meta_path)

    def find_spec(self, name):
        if name not in PACKAGES or not self.modules:
            return None
        if not self.fits():
            self.modules.clear()
            return None
        self.bring_back(PACKAGES[name])
        # The import system would otherwise execute what it finds there.
        module = sys.modules.pop(name)
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, Again(module), origin=module.__spec__.origin, is_package=hasattr(module, "__path__"))

    def fits(self):
        """Whether an import now would have the same result."""
        import logging

        manager = logging.root.manager
        return (
            self.recorder.same()
            and not self.modules.keys() & sys.modules.keys()
            and all(sys.modules.get(name) is module for name, module in self.others.items())
            and (sys.meta_path, sys.path_hooks) == (self.usual, self.before.hooks)
            and __import__ is IMPORT
            and logging.getLoggerClass() is logging.Logger
            and manager.loggerClass is None
            and not manager.loggerDict.keys() & self.loggers.keys()
            and self.before.path - {""} <= set(sys.path)
            and all(self.brings_none(path) for path in sys.path)
        )

    def brings_none(self, path):
        """Of the names. Where the SDK's own directory comes first it would make no difference; once too often is no harm."""
        if path in self.before.path:
            return True
        try:
            return not {entry.partition(".")[0] for entry in os.listdir(path or ".")} & self.names
        except OSError:
            # What is no directory may still hold modules.
            return not os.path.exists(path)

    def bring_back(self, packages):
        import logging
        import warnings

        def taken(entries):
            # Botocore has loggers by other names.
            owners = {name: top(name) if top(name) in PACKAGES else "botocore" for name in entries}
            return {name: entries.pop(name) for name, owner in owners.items() if owner in packages}

        modules, loggers = taken(self.modules), taken(self.loggers)
        sys.modules.update(modules)
        for logger in loggers.values():
            # Which levels are on may have changed.
            if isinstance(logger, logging.Logger):
                logger._cache.clear()
        logging.root.manager.loggerDict.update(loggers)
        front, back = [[one for one in some if top(one[2].__module__) in packages] for some in self.filters]
        if front or back:
            self.filters = [[one for one in some if top(one[2].__module__) not in packages] for some in self.filters]
            warnings.filters[:] = front + warnings.filters + back
            filters_changed(warnings)
        finders = [finder for finder in self.finders if top(type(finder).__module__) in packages]
        self.finders = [finder for finder in self.finders if finder not in finders]
        sys.meta_path.extend(finders)
        self.usual.extend(finders)
        self.others.update(modules)
        if "dateutil.parser._parser" in modules:
            # It has noted which year it was.
            modules["dateutil.parser._parser"].DEFAULTPARSER.info.__init__()
        if "botocore.session" in modules:
            self.first.give(modules["botocore.session"])


class Prepared:
    """A session and a loader, for who asks first."""

    def __init__(self):
        import botocore.handlers
        import botocore.session

        self.handlers = botocore.handlers.BUILTIN_HANDLERS
        self.known = list(self.handlers)
        self.kind = botocore.session.Session
        self.recorder = Recorder()
        with self.recorder:
            self.session = self.kind()
        self.loader = botocore.session.create_loader()
        for name in DATA:
            try:
                self.loader.load_data(name)
            except Exception:
                # Not every version has each of them.
                pass
        for name in LISTS:
            self.loader.list_available_services(name)

    def give(self, module):
        """`module` is `botocore.session`."""
        initializers = getattr(sys.modules["botocore"], "_INITIALIZERS", [])

        def usual():
            same = self.handlers == self.known and module.Session is self.kind and not initializers
            return same and self.recorder.same()

        once(module, "create_loader", self.loader, lambda: True)
        once(module, "get_session", self.session, usual)


class Again:
    """A loader of a module that is there."""

    def __init__(self, module):
        self.module = module
        self.original = module.__spec__

    def create_module(self, spec):
        return self.module

    def exec_module(self, module):
        module.__spec__ = self.original


def once(module, name, prepared, usual):
    """The first call without arguments returns what is prepared. Then the module has its own function again."""
    original = getattr(module, name)
    left = [prepared]

    def first(*args, **kwargs):
        if vars(module).get(name) is first:
            setattr(module, name, original)
        plain = not kwargs and all(argument is None for argument in args)
        ready = left.pop() if left else None
        return ready if ready is not None and plain and usual() else original(*args, **kwargs)

    for attribute in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(first, attribute, getattr(original, attribute))
    setattr(module, name, first)


def top(name):
    return name.partition(".")[0]


def is_own(module):
    return (getattr(module, "__file__", None) or OWN + "/").startswith(OWN + "/")


def filters_changed(warnings):
    """Without this, what has been looked up stays as it was."""
    warnings.filterwarnings("default", "to be removed at once")
    warnings.filters.pop(0)


def warm(first, fd=None):
    """The SDK; or `None` where there is none, or a function came before it was whole: then `fd` can be read. `first` are
    names of Python's modules that no function can replace."""
    before, recorder, sdk = Before(), Recorder(), None
    try:
        for name in STEPS:
            if fd is not None and select.select([fd], [], [], 0)[0]:
                return None
            with recorder:
                try:
                    __import__(name)
                except ImportError:
                    # Versions differ; who needs it imports it.
                    continue
        import warnings

        if "boto3.session" in sys.modules and before.added_filters(warnings.filters) is not None:
            sdk = Sdk(before, recorder, first)
    finally:
        if sdk is None:
            before.restore()
    return sdk
