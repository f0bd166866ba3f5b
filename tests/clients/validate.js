// The validators of @rocket.chat/rest-typings: a line of JSON in, `{"validator": NAME, "data": ANY}`, a line of JSON out.
'use strict';

const { createInterface } = require('node:readline');
const { dirname, join } = require('node:path');

const folder = dirname(process.env.NODE_PATH);
const typings = require(join(folder, 'rest-typings.cjs'));

const isValidator = (name) => name.startsWith('is') && typeof typings[name] === 'function';
console.log(JSON.stringify(Object.keys(typings).filter(isValidator)));
createInterface({ input: process.stdin }).on('line', (line) => {
	const { validator, data } = JSON.parse(line);
	const validate = typings[validator];
	const valid = validate(data);
	console.log(JSON.stringify({ valid, errors: valid ? [] : (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`) }));
});
