// A bot on @rocket.chat/ddp-client: logs in, hears, calls, answers, and finds its way back when the connection is cut.
'use strict';

globalThis.WebSocket ??= require('ws');
globalThis.File ??= require('node:buffer').File;
const { DDPSDK } = require('@rocket.chat/ddp-client');

const say = (...words) => console.log(...words);

async function main() {
	const sdk = DDPSDK.create(process.env.SERVER_URL, { retryCount: 50, retryTime: 50 });
	sdk.connection.on('connection', (status) => say('status', status));
	await sdk.connection.connect();

	const refused = await sdk.account.loginWithToken('nobody').catch((error) => error);
	say('refused', refused.error, refused.reason);

	await sdk.account.loginWithToken(process.env.AUTH_TOKEN);
	say('logged in', sdk.account.uid, sdk.account.user.username);

	const foreign = sdk.stream('notify-user', ['somebody/message'], () => undefined);
	const nosub = await new Promise((resolve) => foreign.onChange(resolve));
	say('nosub', nosub.msg, JSON.stringify(nosub.error ?? null));

	const seen = new Set();
	const messages = sdk.stream('room-messages', ['__my_messages__'], async (message, about) => {
		if (message.u._id === sdk.account.uid || message.t || seen.has(message._id)) {
			return;
		}
		seen.add(message._id);
		say('heard', message.msg, about.roomName, about.roomParticipant, message.ts.$date > 0);
		if (message.msg === 'stop') {
			messages.stop();
			await sdk.account.logout();
			say('logged out', sdk.account.uid);
			sdk.connection.ws.addEventListener('close', ({ code }) => {
				say('closed', code);
				// Its timers would run for ever.
				process.exit(0);
			});
			sdk.connection.close();
			return;
		}
		await sdk.call('stream-notify-room', `${message.rid}/user-activity`, sdk.account.user.username, ['user-typing'], {});
		const sent = await sdk.call('sendMessage', { rid: message.rid, msg: `by method: ${message.msg}` });
		const posted = await sdk.rest.post('/v1/chat.sendMessage', { message: { rid: message.rid, msg: `by REST: ${message.msg}` } });
		say('answered', sent.msg, '/', posted.message.msg);
	});
	await new Promise((resolve) => messages.onChange(resolve));
	say('listening');
	say('rooms', (await sdk.call('rooms/get')).map((room) => room._id).join(' '));
	const unknown = await sdk.call('no-such-method').catch((error) => error);
	say('unknown', unknown.error, unknown.reason);
	say('me', (await sdk.rest.get('/v1/me')).username);
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
