import { App, HTTPReceiver, LogLevel } from '@slack/bolt';

// (d) Bolt's own receiver with a listener that does nothing: verifies, answers, stores nothing.
const receiver = new HTTPReceiver({
  signingSecret: process.env.SLACK_SIGNING_SECRET ?? '',
  endpoints: '/slack/events',
  logLevel: LogLevel.ERROR,
});
const app = new App({
  receiver,
  logLevel: LogLevel.ERROR,
  convoStore: false,
  authorize: async () => ({ botToken: 'xoxb-none', botId: 'B0', botUserId: 'U0BOT00001' }),
});
app.message(async () => {});
await app.start({ port: Number(process.env.PORT), host: '127.0.0.1' });
