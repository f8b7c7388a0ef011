"""The two examples of the documentation, as people write them: nothing in the functions knows of this server."""

BACKUP = """
const AWS = require('aws-sdk');
const s3 = new AWS.S3();
exports.handler = async (event) => { await s3.putObject({ Bucket: 'backups', Key: 'daily.sql', Body: 'backup content' }).promise(); };
"""


def test_a_backup_with_the_older_sdk_lands_in_the_bucket(own_server):
    server = own_server.start()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="backups")
    server.create("backup", {"index.js": BACKUP}, runtime="nodejs14.x", handler="index.handler", Timeout=30)
    answer = server.invoke("backup")
    assert (answer.get("FunctionError"), answer["Body"]) == (None, b"null"), answer["Body"]
    assert s3.get_object(Bucket="backups", Key="daily.sql")["Body"].read() == b"backup content"
