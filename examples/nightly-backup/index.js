const AWS = require('aws-sdk');
const s3 = new AWS.S3();
exports.handler = async (event) => { await s3.putObject({ Bucket: 'backups', Key: 'daily.sql', Body: 'backup content' }).promise(); };
