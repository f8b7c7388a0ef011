import io
import urllib.parse

import boto3
from PIL import Image

s3 = boto3.client('s3')


def handler(event, context):
    for record in event['Records']:
        bucket = record['s3']['bucket']['name']
        key = urllib.parse.unquote_plus(record['s3']['object']['key'])
        image = Image.open(s3.get_object(Bucket=bucket, Key=key)['Body'])
        image.thumbnail((200, 200))
        thumbnail = io.BytesIO()
        image.save(thumbnail, 'JPEG')
        target = 'thumbnails/' + key.rsplit('/', 1)[-1]
        s3.put_object(Bucket=bucket, Key=target, Body=thumbnail.getvalue(), ContentType='image/jpeg')
        print('%s: %d x %d' % (target, *image.size))
