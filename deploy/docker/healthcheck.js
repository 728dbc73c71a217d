// Asks the process of this container whether it is well: `node healthcheck.js [/health | /ready]`. The exit code is 0 after a
// 200. It reads the variables that the process itself was started with, and needs nothing but Node.
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';

/** Less than the time-out of HEALTHCHECK in the Dockerfile (3 s), so that the reason is printed. */
const TIMEOUT_MS = 2500;

const { HOST = '', PORT = '', SALLYPORT_TLS_CERT = '' } = process.env;
const [path = '/health'] = process.argv.slice(2);
const isEverywhere = ['', '0.0.0.0', '::'].includes(HOST);
const address = { host: isEverywhere ? '127.0.0.1' : HOST, port: PORT || '8787', path, timeout: TIMEOUT_MS };

function end(code, text) {
  console.log(text);
  process.exit(code);
}

const ask = SALLYPORT_TLS_CERT === '' ? getHttp : getHttps;
// The certificate is for the names that clients use, and not for this address. It is not verified, as by Kubernetes' probes:
// nothing secret is sent, and /ready reports a certificate that has expired.
const asking = ask({ ...address, rejectUnauthorized: false }, (answer) => {
  answer.resume();
  answer.once('end', () => end(answer.statusCode === 200 ? 0 : 1, `${path}: ${answer.statusCode}`));
});
asking.once('timeout', () => end(1, `${path}: no answer within ${TIMEOUT_MS} ms`));
asking.once('error', (error) => end(1, `${path}: ${error.code ?? error.name}`));
