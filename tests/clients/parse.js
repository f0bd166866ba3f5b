// @rocket.chat/message-parser as the server calls it: a line of JSON in, the text; a line of JSON out, its tree.
'use strict';

const { createInterface } = require('node:readline');
const { parse } = require('@rocket.chat/message-parser');

// All that an administrator may switch on, except formulas between dollars, which nothing can escape.
const options = { colors: true, emoticons: true, katex: { dollarSyntax: false, parenthesisSyntax: true } };

createInterface({ input: process.stdin }).on('line', (line) => {
	console.log(JSON.stringify(parse(JSON.parse(line), options)));
});
