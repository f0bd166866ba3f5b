// A bot on @rocket.chat/sdk 1.0.0-alpha.42: connects, logs in, subscribes to messages, answers, and reconnects.
'use strict';

const { Bot } = require('@rocket.chat/sdk');

const say = (...words) => console.log(...words);
const logger = { debug: () => undefined, info: () => undefined, warning: console.error, warn: console.error, error: console.error };

async function main() {
	const host = process.env.SERVER_URL;
	const bot = new Bot({ host, useSsl: false, logger, reopen: 100, integrationId: 'test', dm: true });
	await bot.connect({});
	say('connected');
	await bot.login({ username: process.env.USERNAME, password: process.env.PASSWORD });
	say('logged in', bot.userId);
	const joined = await bot.post('channels.join', { roomId: 'GENERAL' });
	say('joined', joined.channel.name);
	const seen = new Set();
	await bot.respondToMessages(async (error, message) => {
		if (error) {
			throw error;
		}
		// It takes the reaction below for a message: the same one comes again.
		if (seen.has(message._id)) {
			return;
		}
		seen.add(message._id);
		say('heard', message.msg);
		const sent = await bot.sendToRoomId(`answer to ${message.msg}`, message.rid);
		await bot.setReaction(':tada:', message._id);
		say('answered', sent.msg);
		if (message.msg === 'stop') {
			await bot.logout();
			await bot.disconnect();
			say('done');
			process.exit(0);
		}
	});
	say('listening');
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
