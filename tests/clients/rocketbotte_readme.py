"""The bot of the README of rocketbotte 0.2.4, from `bot = ` to `bot.run()` word for word."""

import os

from loguru import logger
from rocketbotte import Bot, Context, Message

logger.enable("rocketbotte")
SERVER_URL, USER_ID, AUTH_TOKEN = (os.environ[name] for name in ("SERVER_URL", "USER_ID", "AUTH_TOKEN"))

bot = Bot(server_url=SERVER_URL, user_id=USER_ID, auth_token=AUTH_TOKEN)

@bot.command('test')
async def test(ctx:Context, args:str):
    await ctx.send_message(f'response to {args}')

@bot.listen()
async def on_message(message:Message):
    if 'hello' in message.content:
        await bot.send_message(message.room_id, 'world ')

bot.run()
