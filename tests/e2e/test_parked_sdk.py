"""AWS's SDK is there when a parked interpreter becomes a function's, and knows nothing that is not the function's own."""

import time

import pytest
from conftest import package
from test_parked import executed, parked

#: What a client has made of its settings, from files and variables. What belongs to one environment alone is left out.
SEEN = """
import os, logging
%(first)s
import boto3, botocore.session

def handler(event, context):
    session = boto3.session.Session() if event.get("own") else boto3._get_default_session()
    inner = session._session
    seen = {"region": session.region_name, "profile": session.profile_name, "profiles": session.available_profiles}
    credentials = session.get_credentials()
    own = credentials and credentials.access_key == os.environ.get("AWS_ACCESS_KEY_ID")
    seen["credentials"] = [credentials and credentials.method, own or (credentials and [credentials.access_key, credentials.secret_key, credentials.token])]
    for service in ("s3", "sts", "dynamodb"):
        client = session.client(service)
        config = client.meta.config
        options = {name: getattr(config, name, "-") for name in (
            "region_name", "signature_version", "user_agent_extra", "user_agent_appid", "connect_timeout", "read_timeout", "parameter_validation",
            "max_pool_connections", "proxies", "s3", "retries", "use_dualstack_endpoint", "use_fips_endpoint", "defaults_mode", "tcp_keepalive",
            "ignore_configured_endpoint_urls", "request_min_compression_size_bytes", "disable_request_compression", "sigv4a_signing_region_set",
            "request_checksum_calculation", "response_checksum_validation", "account_id_endpoint_mode", "auth_scheme_preference")}
        verify = client._endpoint.http_session._verify
        seen[service] = [client.meta.endpoint_url, options, repr(verify), client._client_config.user_agent.replace(os.environ["AWS_LAMBDA_LOG_STREAM_NAME"], "")]
        seen[service].append(client.meta.service_model.api_version)
    for name in sorted(inner.session_var_map):
        try:
            value = inner.get_config_variable(name)
        except Exception as error:
            value = repr(error)
        seen["variable " + name] = repr(value).split(" at 0x")[0]
    return seen
"""

CONFIG = """
[default]
region = eu-north-1
[profile other]
region = sa-east-1
aws_access_key_id = AKIDOTHER
aws_secret_access_key = other
retry_mode = adaptive
[profile endpoints]
services = mine
[services mine]
s3 =
  endpoint_url = http://files.example:9
"""
CREDENTIALS = """
[default]
aws_access_key_id = AKIDFILE
aws_secret_access_key = file
[other]
aws_access_key_id = AKIDCREDENTIALS
aws_secret_access_key = credentials
"""
FILES = {"config": CONFIG, "credentials": CREDENTIALS, "ca.pem": "none\n", "models/none.txt": ""}

#: Each with how it shows: a place in what is seen, and what is there.
SETTINGS = {
    "nothing": ({}, ("region", "us-east-1")),
    "config file": ({"AWS_CONFIG_FILE": "/var/task/config"}, ("profiles", ["default", "other", "endpoints"])),
    "credentials file": (
        {"AWS_SHARED_CREDENTIALS_FILE": "/var/task/credentials"}, ("profiles", ["default", "other"]),
    ),
    "profile": ({"AWS_CONFIG_FILE": "/var/task/config", "AWS_PROFILE": "other"}, ("profile", "other")),
    "default profile": ({"AWS_CONFIG_FILE": "/var/task/config", "AWS_DEFAULT_PROFILE": "other"}, ("profile", "other")),
    "endpoint": ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, ("s3", "http://127.0.0.1:4566")),
    "endpoint of a service": ({"AWS_ENDPOINT_URL_S3": "http://files.example:1"}, ("s3", "http://files.example:1")),
    "endpoint from a file": ({"AWS_CONFIG_FILE": "/var/task/config", "AWS_PROFILE": "endpoints"}, ("s3", "http://files.example:9")),
    "ignored endpoints": (
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, ("s3", "https://s3.amazonaws.com"),
    ),
    "retry mode": ({"AWS_RETRY_MODE": "adaptive"}, ("variable retry_mode", "'adaptive'")),
    "attempts": ({"AWS_MAX_ATTEMPTS": "7"}, ("variable max_attempts", "7")),
    "STS's regional endpoints": ({"AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, ("variable sts_regional_endpoints", "'legacy'")),
    "S3's regional endpoint": ({"AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "regional"}, ("s3", "https://s3.us-east-1.amazonaws.com")),
    "S3's express sessions": ({"AWS_S3_DISABLE_EXPRESS_SESSION_AUTH": "true"}, None),
    "CA bundle": ({"AWS_CA_BUNDLE": "/var/task/ca.pem"}, ("variable ca_bundle", "'/var/task/ca.pem'")),
    "CA bundle of requests": ({"REQUESTS_CA_BUNDLE": "/var/task/ca.pem"}, None),
    "FIPS": ({"AWS_USE_FIPS_ENDPOINT": "true"}, ("s3", "https://s3-fips.aws-global.amazonaws.com")),
    "dual stack": ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, ("s3", "https://s3.dualstack.us-east-1.amazonaws.com")),
    "application": ({"AWS_SDK_UA_APP_ID": "app-of-mine"}, ("variable user_agent_appid", "'app-of-mine'")),
    "defaults mode": ({"AWS_DEFAULTS_MODE": "in-region"}, ("variable defaults_mode", "'in-region'")),
    "data path": ({"AWS_DATA_PATH": "/var/task/models"}, ("variable data_path", "'/var/task/models'")),
    "metadata attempts": ({"AWS_METADATA_SERVICE_NUM_ATTEMPTS": "3", "AWS_METADATA_SERVICE_TIMEOUT": "4"}, ("variable metadata_service_num_attempts", "3")),
    "metadata off": ({"AWS_EC2_METADATA_DISABLED": "true"}, None),
    "metadata endpoint": ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"}, ("variable ec2_metadata_service_endpoint", "'http://127.0.0.1:1'")),
    "compression": ({"AWS_DISABLE_REQUEST_COMPRESSION": "true"}, ("variable disable_request_compression", "True")),
    "compressed from": ({"AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "77"}, ("variable request_min_compression_size_bytes", "'77'")),
    "checksums sent": ({"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}, ("variable request_checksum_calculation", "'when_required'")),
    "checksums read": ({"AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required"}, ("variable response_checksum_validation", "'when_required'")),
    "account's endpoints": ({"AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled"}, ("variable account_id_endpoint_mode", "'disabled'")),
    "signing regions": ({"AWS_SIGV4A_SIGNING_REGION_SET": "eu-west-1"}, ("variable sigv4a_signing_region_set", "'eu-west-1'")),
    "authentication schemes": ({"AWS_AUTH_SCHEME_PREFERENCE": "sigv4a"}, ("variable auth_scheme_preference", "'sigv4a'")),
    "role": ({"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "AWS_ROLE_SESSION_NAME": "s", "AWS_WEB_IDENTITY_TOKEN_FILE": "/none"}, None),
    "container's credentials": ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/"}, None),
    "monitoring": ({"AWS_CSM_ENABLED": "true", "AWS_CSM_PORT": "999"}, ("variable csm_port", "999")),
    "new retries": ({"AWS_NEW_RETRIES_2026": "true"}, None),
    "proxies": ({"HTTPS_PROXY": "http://127.0.0.1:3128", "NO_PROXY": "example"}, None),
}


#: Says with each answer whether the SDK had been there.
BEGIN = "import sys\nTHERE = getattr(sys.meta_path[0], 'sdk', None) is not None\n"
END = "\ninner = handler\ndef handler(event, context):\n    return [THERE, inner(event, context)]\n"


def first(server, source, files=None, event=None, executes=False, **options):
    """The first answer of a function, from an interpreter that had the SDK, or from one that was executed."""
    files = {"app.py": BEGIN + source + END, **FILES, **(files or {})}
    options = {"MemorySize": 512, "Timeout": 60, "Environment": {"Variables": {}}, **options}
    if executes:
        options["Environment"] = {"Variables": {**options["Environment"]["Variables"], "PYTHON_EXECUTED": "1"}}
        there, answer = executed(server, files, event, **options)
        assert not there
        return answer
    end = time.monotonic() + 60
    while time.monotonic() < end:
        there, answer = parked(server, files, event, **options)
        if there:
            return answer
        time.sleep(0.3)
    raise AssertionError("no interpreter ever had the SDK")


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_the_functions_is_the_sdks(server, name):
    variables, shown = SETTINGS[name]
    source = SEEN % {"first": ""}
    # Without the way to this server's services, which beats what is looked at here.
    variables = {"AWS_ENDPOINT_URL": "", **variables}
    waited = first(server, source, Environment={"Variables": variables})
    assert waited == first(server, source, executes=True, Environment={"Variables": variables})
    if shown:
        place, value = shown
        assert (waited[place][0] if place == "s3" else waited[place]) == value


@pytest.mark.parametrize("name, value", [("AWS_PROFILE", "other"), ("AWS_RETRY_MODE", "adaptive"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_NEW_RETRIES_2026", "true")])
def test_what_a_function_sets_before_its_import_holds(server, name, value):
    source = SEEN % {"first": "os.environ.update({'AWS_CONFIG_FILE': '/var/task/config', %r: %r})" % (name, value)}
    assert first(server, source) == first(server, source, executes=True)
    plain = SEEN % {"first": ""}
    assert first(server, source) != first(server, plain)


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.13"])
def test_every_interpreter_has_the_sdk_of_its_own(server, version):
    source = SEEN % {"first": ""}
    options = {"runtime": "python" + version, "event": {"own": True}, "Environment": {"Variables": {"AWS_RETRY_MODE": "standard"}}}
    assert first(server, source, **options) == first(server, source, executes=True, **options)


#: What an import leaves behind, and what it was given.
TRACES = """
import logging, sys, warnings
BEFORE = [sorted(name for name in sys.modules if name.split(".")[0] in ("boto3", "botocore", "six", "urllib3", "dateutil", "jmespath", "s3transfer")),
          sorted(name for name in logging.root.manager.loggerDict if not name.startswith("concurrent")), [repr(entry) for entry in warnings.filters], [type(one).__name__ for one in sys.meta_path]]
import time
BEGAN = time.process_time()
%s
TOOK = time.process_time() - BEGAN

def handler(event, context):
    loaded = {name: getattr(module, "VERSION", None) or getattr(module, "__version__", None) for name, module in sys.modules.items()
              if name in ("boto3", "botocore", "six", "urllib3", "dateutil", "jmespath", "s3transfer")}
    files = {name: [sys.modules[name].__file__, sys.modules[name].__spec__.name, type(sys.modules[name].__loader__).__name__,
                    type(sys.modules[name].__spec__.loader).__name__] for name in loaded}
    loggers = {name: [type(one).__name__, one.level, one.disabled, [type(h).__name__ for h in one.handlers], one.parent.name]
               for name, one in logging.root.manager.loggerDict.items() if isinstance(one, logging.Logger) and not name.startswith("concurrent")}
    names = [vars(__import__("botocore.session").session)[name].__qualname__ for name in ("get_session", "create_loader")]
    seen = {"before": BEFORE, "loaded": loaded, "files": files, "loggers": loggers, "names": names,
            "modules": sorted(name for name in sys.modules if name.split(".")[0] in loaded),
            "filters": [repr(entry) for entry in warnings.filters], "finders": [type(one).__name__ for one in sys.meta_path]}
    return {"seen": seen, "took": TOOK}
"""

IMPORTS = {
    "boto3": "import boto3",
    "a part": "import boto3.session",
    "botocore first": "import botocore.config, boto3",
    "urllib3 first": "import urllib3, boto3",
    "dateutil and six": "import dateutil.parser, six, boto3",
    "from": "from boto3 import client, Session",
}


@pytest.mark.parametrize("name", IMPORTS)
def test_an_import_that_was_made_ahead_leaves_what_an_import_leaves(server, name):
    source = TRACES % IMPORTS[name]
    waited, anew = first(server, source), first(server, source, executes=True)
    assert waited["seen"] == anew["seen"]
    assert waited["seen"]["before"][0] == [] and "boto3" in waited["seen"]["loaded"]
    assert waited["took"] < anew["took"] / 2, (waited["took"], anew["took"])


def test_loggers_that_are_configured_before_the_import_stay_on(server):
    source = TRACES % (
        "import logging.config\n"
        "logging.config.dictConfig({'version': 1, 'root': {'level': 'WARNING'}})\n"
        "logging.getLogger('boto3').setLevel('ERROR')\nimport boto3"
    )
    waited = first(server, source)["seen"]
    assert waited == first(server, source, executes=True)["seen"]
    assert waited["loggers"]["boto3"][1:3] == [40, False] and not waited["loggers"]["botocore.client"][2]


OWN_BOTO3 = {"boto3/__init__.py": "__version__ = 'mine'\n", "botocore/__init__.py": "__version__ = 'mine'\n", "botocore/session.py": "def get_session(): pass\ndef create_loader(): pass\n"}

#: What a function brings of the SDK, or of what the SDK looks for.
BROUGHT = {
    "boto3 and botocore": (OWN_BOTO3, "import boto3", ("boto3", "mine")),
    "in a directory of its own": (
        {"vendored/" + name: text for name, text in OWN_BOTO3.items()}, "sys.path.insert(0, '/var/task/vendored')\nimport boto3", ("boto3", "mine"),
    ),
    "six": ({"six.py": "__version__ = 'mine'\nexec(open('/var/runtime/six.py').read().replace('__version__ =', 'other ='))\n"}, "import six, boto3", ("six", "mine")),
    "jmespath, found by the SDK alone": (
        {"jmespath/__init__.py": "from importlib.util import spec_from_file_location\n__version__ = 'mine'\n__path__ = ['/var/runtime/jmespath']\nfrom jmespath import parser\nfrom jmespath.visitor import Options\ncompile = parser.Parser().parse\ndef search(expression, data): return compile(expression).search(data)\n"},
        "import boto3", ("jmespath", "mine"),
    ),
    "certificates that the SDK looks for": ({"certifi.py": "def where(): return '/var/task/ca.pem'\n"}, "import boto3, botocore.httpsession\nboto3.__version__ = botocore.httpsession.where()", ("boto3", "/var/task/ca.pem")),
    "a module of Python's": ({"calendar.py": "exec(open(__import__('os').__file__.replace('os.py', 'calendar.py')).read())\nMINE = 'mine'\n"}, "import boto3, botocore.auth\nboto3.__version__ = sys.modules['calendar'].MINE", ("boto3", "mine")),
    "a finder": (
        {}, "class Finder:\n    def find_spec(self, name, path=None, target=None):\n        SEEN.append(name)\nSEEN = []\nsys.meta_path.insert(0, Finder())\nimport boto3\nboto3.__version__ = 'botocore.client' in SEEN",
        ("boto3", True),
    ),
}


@pytest.mark.parametrize("name", BROUGHT)
def test_what_a_function_brings_wins(server, name):
    files, imports, (module, version) = BROUGHT[name]
    source = TRACES % imports
    waited = first(server, source, files)["seen"]
    assert waited == first(server, source, files, executes=True)["seen"]
    assert waited["loaded"][module] == version


def test_what_a_layer_brings_wins(server):
    content = {"ZipFile": package({"python/" + name: text for name, text in OWN_BOTO3.items()})}
    layer = server.lambda_.publish_layer_version(LayerName="own-boto3", Content=content)["LayerVersionArn"]
    source = TRACES % "import boto3"
    waited = first(server, source, Layers=[layer])["seen"]
    assert waited == first(server, source, executes=True, Layers=[layer])["seen"]
    assert waited["loaded"]["boto3"] == "mine" and waited["files"]["boto3"][0] == "/opt/python/boto3/__init__.py"


def test_handlers_that_a_function_adds_are_in_its_first_session(server):
    source = """
import boto3, botocore.handlers
CALLED = []
botocore.handlers.BUILTIN_HANDLERS.append(("creating-client-class.sqs", lambda **kwargs: CALLED.append("creating")))
def handler(event, context):
    boto3.client("sqs")
    return CALLED
"""
    assert first(server, source) == first(server, source, executes=True) == ["creating"]


def test_two_sessions_and_their_loaders_are_two(server):
    source = """
import boto3
def handler(event, context):
    one, two = boto3.session.Session(), boto3.session.Session()
    loaders = [session._session.get_component("data_loader") for session in (one, two)]
    one.client("sqs"), two.client("sqs")
    one._session.set_config_variable("retry_mode", "adaptive")
    return [one._session is two._session, loaders[0] is loaders[1], loaders[0].load_data("endpoints") is loaders[1].load_data("endpoints"),
            loaders[0].search_paths == loaders[1].search_paths, two._session.get_config_variable("retry_mode")]
"""
    assert first(server, source) == [False, False, False, True, "legacy"] == first(server, source, executes=True)
