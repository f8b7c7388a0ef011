"""A parked Node.js has started with nobody's settings: AWS's SDK takes the function's own all the same, each of them."""

import pytest
from test_parked import executed, parked

#: What clients have made of their settings, and the request that one of them would send.
SEEN = """
const { S3Client, ListBucketsCommand } = require('@aws-sdk/client-s3');
const { STSClient } = require('@aws-sdk/client-sts');
const { DynamoDBClient } = require('@aws-sdk/client-dynamodb');

const SETTINGS = ['region', 'retryMode', 'maxAttempts', 'useFipsEndpoint', 'useDualstackEndpoint', 'defaultsMode', 'userAgentAppId',
  'requestChecksumCalculation', 'responseChecksumValidation', 'accountIdEndpointMode', 'sigv4aSigningRegionSet', 'authSchemePreference',
  'useArnRegion', 'disableS3ExpressSessionAuth', 'disableMultiregionAccessPoints', 'disableRequestCompression',
  'requestMinCompressionSizeBytes', 'endpointDiscoveryEnabled'];

async function told(ask) {
  try {
    const value = await ask();
    return value === undefined ? null : value;
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

async function settings(client) {
  const seen = {};
  for (const name of SETTINGS) {
    if (typeof client.config[name] === 'function') seen[name] = await told(() => client.config[name]());
  }
  const found = await told(() => client.config.credentials());
  const own = found && found.accessKeyId === process.env.AWS_ACCESS_KEY_ID;
  seen.credentials = own ? 'own' : found && found.accessKeyId ? [found.accessKeyId, found.secretAccessKey] : found;
  return seen;
}

exports.handler = async () => {
  const seen = { sts: await settings(new STSClient()), dynamodb: await settings(new DynamoDBClient()) };
  const s3 = new S3Client();
  seen.s3 = await settings(s3);
  let request;
  s3.middlewareStack.add(() => async (call) => {
    request = call.request;
    throw new Error('not sent');
  }, { step: 'finalizeRequest', priority: 'low' });
  seen.outcome = await told(() => s3.send(new ListBucketsCommand({})));
  seen.endpoint = request ? `${request.protocol}//${request.hostname}${request.port ? ':' + request.port : ''}` : null;
  return seen;
};
"""

CONFIG = """
[default]
region = eu-north-1
retry_mode = adaptive
[profile other]
region = sa-east-1
max_attempts = 9
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
[endpoints]
aws_access_key_id = AKIDENDPOINTS
aws_secret_access_key = endpoints
"""

#: Each with how it shows: a path in what is seen, and what is there. Without one it is only compared.
SETTINGS = {
    "nothing": ({}, ("sts region", "us-east-1")),
    "credentials": ({}, ("s3 credentials", "own")),
    "profile": (
        {"AWS_PROFILE": "other", "AWS_SHARED_CREDENTIALS_FILE": "/var/task/credentials"}, ("s3 credentials", ["AKIDCREDENTIALS", "credentials"]),
    ),
    "config file": ({"AWS_CONFIG_FILE": "/var/task/config"}, ("s3 retryMode", "adaptive")),
    "profile of a config file": ({"AWS_CONFIG_FILE": "/var/task/config", "AWS_PROFILE": "other"}, ("s3 maxAttempts", 9)),
    "endpoint": ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, ("endpoint", "http://127.0.0.1:4566")),
    "endpoint of a service": ({"AWS_ENDPOINT_URL_S3": "http://files.example:1"}, ("endpoint", "http://files.example:1")),
    "endpoint from a file": (
        {"AWS_CONFIG_FILE": "/var/task/config", "AWS_SHARED_CREDENTIALS_FILE": "/var/task/credentials", "AWS_PROFILE": "endpoints"},
        ("endpoint", "http://files.example:9"),
    ),
    "ignored endpoints": ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, None),
    "retry mode": ({"AWS_RETRY_MODE": "adaptive"}, ("dynamodb retryMode", "adaptive")),
    "attempts": ({"AWS_MAX_ATTEMPTS": "7"}, ("sts maxAttempts", 7)),
    "FIPS": ({"AWS_USE_FIPS_ENDPOINT": "true"}, ("s3 useFipsEndpoint", True)),
    "dual stack": ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, ("s3 useDualstackEndpoint", True)),
    "defaults mode": ({"AWS_DEFAULTS_MODE": "in-region"}, ("s3 defaultsMode", "in-region")),
    "application": ({"AWS_SDK_UA_APP_ID": "app-of-mine"}, ("s3 userAgentAppId", "app-of-mine")),
    "checksums sent": ({"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}, ("s3 requestChecksumCalculation", "WHEN_REQUIRED")),
    "checksums read": ({"AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required"}, ("s3 responseChecksumValidation", "WHEN_REQUIRED")),
    "ARN's region": ({"AWS_S3_USE_ARN_REGION": "true"}, ("s3 useArnRegion", True)),
    "express sessions": ({"AWS_S3_DISABLE_EXPRESS_SESSION_AUTH": "true"}, ("s3 disableS3ExpressSessionAuth", True)),
    "access points": ({"AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS": "true"}, None),
    "account's endpoints": ({"AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled"}, ("dynamodb accountIdEndpointMode", "disabled")),
    "signing regions": ({"AWS_SIGV4A_SIGNING_REGION_SET": "eu-west-1"}, None),
    "authentication schemes": ({"AWS_AUTH_SCHEME_PREFERENCE": "sigv4a"}, None),
    "endpoint discovery": ({"AWS_ENABLE_ENDPOINT_DISCOVERY": "true"}, None),
    "metadata off": ({"AWS_EC2_METADATA_DISABLED": "true"}, None),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_the_functions_is_the_sdks(server, name):
    variables, shown = SETTINGS[name]
    files = {"app.js": SEEN, "config": CONFIG, "credentials": CREDENTIALS}
    # Without the way to this server's services, which beats what is looked at here.
    variables = {"AWS_ENDPOINT_URL": "", **variables}
    options = {"runtime": "nodejs20.x", "MemorySize": 512, "Timeout": 60}
    waited = parked(server, files, Environment={"Variables": variables}, **options)
    assert waited == executed(server, files, Environment={"Variables": {**variables, "NODE_EXECUTED": "1"}}, **options)
    if shown:
        seen, (where, what) = waited, shown
        for step in where.split():
            seen = seen[step]
        assert seen == what
