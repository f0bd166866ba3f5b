"""rocketchat_API, call by call. Each line that it prints is a word and JSON."""

import json
import os

import requests
from rocketchat_API.APIExceptions.RocketExceptions import RocketApiException, RocketAuthenticationException
from rocketchat_API.rocketchat import RocketChat


def tell(word, value):
    print(word, json.dumps(value))


url = os.environ["SERVER_URL"]
try:
    RocketChat(os.environ["USERNAME"], "wrong", server_url=url)
except RocketAuthenticationException:
    tell("refused", True)

rocket = RocketChat(os.environ["USERNAME"], os.environ["PASSWORD"], server_url=url)
tell("info", rocket.info())
me = rocket.me()
tell("me", {key: me[key] for key in ("_id", "username", "success")})
tell("rooms", sorted(room["_id"] for room in rocket.rooms_get()["update"]))
tell("channels", [channel["name"] for channel in rocket.channels_list_joined(count=1)])
tell("members", sorted(member["username"] for member in rocket.channels_members(room_id="GENERAL")))

posted = rocket.chat_post_message("posted", channel="general", alias="Deploy")
tell("posted", posted["message"]["_id"])
sent = rocket.chat_send_message({"rid": "GENERAL", "msg": "sent", "_id": "chosenByTheClient"})
tell("sent", sent["message"]["_id"])
try:
    rocket.chat_send_message({"rid": "GENERAL", "msg": "sent again", "_id": "chosenByTheClient"})
except RocketApiException as error:
    tell("twice", str(error))

history = rocket.channels_history("GENERAL", count=1)
tell("history", [message["msg"] for message in history])
rocket.chat_react("chosenByTheClient", "tada")
tell("reactions", rocket.chat_get_message("chosenByTheClient")["message"]["reactions"])
updated = rocket.chat_update("GENERAL", "chosenByTheClient", "changed")
tell("updated", updated["message"]["msg"])

media = rocket.rooms_media("GENERAL", ("report.txt", b"all is well\n", "text/plain"))
tell("media", media["file"])
confirmed = rocket.rooms_media_confirm("GENERAL", media["file"]["_id"], msg="see", description="the report")
tell("confirmed", confirmed["message"])
download = requests.get(url + media["file"]["url"], headers=rocket.headers, timeout=30)
tell("download", [download.status_code, download.headers["content-type"], download.text])
tell("stranger", requests.get(url + media["file"]["url"], timeout=30).status_code)

deleted = rocket.chat_delete("GENERAL", "chosenByTheClient")
tell("deleted", deleted["_id"])
try:
    rocket.chat_get_message("chosenByTheClient")
except RocketApiException as error:
    tell("gone", str(error))
synced = rocket.chat_sync_messages("GENERAL", "2020-01-01T00:00:00.000Z")["result"]
tell("synced", [len(synced["updated"]), [gone["_id"] for gone in synced["deleted"]]])
tell("logout", rocket.logout()["status"])
tell("done", True)
