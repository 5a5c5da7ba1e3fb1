// Loaded into n8n before its own code: calls to Google go to the stand-in, as plain HTTP. The address
// in n8n's node is fixed, and the node stays as it is.
const https = require('https');
const net = require('net');
const original = https.Agent.prototype.createConnection;
https.Agent.prototype.createConnection = function (options, ...rest) {
	const host = options.servername || options.host || '';
	if (/^(sheets|oauth2)\.googleapis\.com$/.test(host)) {
		return net.connect(Number(process.env.GOOGLE_STAND_IN_PORT), '127.0.0.1');
	}
	return original.call(this, options, ...rest);
};
