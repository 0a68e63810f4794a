"""Drives the sandbox with the vendor's own client, unchanged.

Arguments: the host and port, the service account's file, and a file that gets a secure recording.
Prints one JSON object: how many sessions there were, whether their dates were read, and the
recording's link.
"""

import datetime
import json
import os
import ssl
import sys
import urllib.request

from voximplant.apiclient import VoximplantAPI

endpoint, credentials, target = sys.argv[1:]
api = VoximplantAPI(credentials, endpoint=endpoint)
history = api.get_call_history(
    from_date=datetime.datetime(2026, 1, 1),
    to_date=datetime.datetime(2026, 12, 31),
    with_calls=True,
    with_records=True,
    count=1000,
)
link = next(
    record["record_url"]
    for session in history["result"]
    for record in session.get("records", [])
    if "-secure/" in (record.get("record_url") or "") and record["duration"] > 0
)
request = urllib.request.Request(link, headers={"Authorization": api.build_auth_header()})
context = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
with urllib.request.urlopen(request, context=context) as response, open(target, "wb") as file:
    file.write(response.read())
dates = [session["start_date"] for session in history["result"]]
seen = {
    "sessions": len(dates),
    "dates_read": all(isinstance(date, datetime.datetime) for date in dates),
    "link": link,
}
print(json.dumps(seen))
