"""A bot on rocketchat_async: logs in, looks at its rooms, hears, types, reacts, answers, stops hearing."""

import asyncio
import os

from rocketchat_async import RocketChat


async def main():
    address = os.environ["SERVER_URL"].replace("http", "ws", 1) + "/websocket"
    username = os.environ["USERNAME"]

    refused = RocketChat()
    try:
        await refused.start(address, username, "wrong")
    except RuntimeError as error:
        print("refused", error)

    resumed = RocketChat()
    await resumed.resume(address, username, os.environ["AUTH_TOKEN"])
    print("resumed", resumed.user_id)

    rc = RocketChat(verbose=True)
    await rc.start(address, username, os.environ["PASSWORD"])
    print("logged in", rc.user_id)
    channels = dict(await rc.get_channels())
    print("rooms", " ".join(f"{rid}:{kind}" for rid, kind in sorted(channels.items())))

    tasks = set()
    done = asyncio.get_running_loop().create_future()

    async def answer(rid, mid, thread, text):
        await rc.send_typing_event(rid, thread)
        await rc.send_reaction(mid, ":thumbsup:")
        await rc.send_message(f"you said {text}", rid, thread)
        print("answered", text)
        if text == "stop":
            await rc.unsubscribe(sub)
            done.set_result(True)

    def on_message(rid, sender, mid, thread, text, qualifier, unread, repeated):
        if sender == rc.user_id or repeated or qualifier:
            return
        print("heard", text)
        task = asyncio.create_task(answer(rid, mid, thread, text))
        tasks.add(task)

    changed = await rc.subscribe_to_channel_changes(lambda rid, kind: print("changed", rid, kind))
    sub = await rc.subscribe_to_channel_messages("GENERAL", on_message)
    print("listening", changed != sub)
    await done
    print("done")


asyncio.run(main())
