/** `sallyport/testing`: signers and local vendor servers, for tests of what stands behind the gate. */
export { deliverWithRetries, type SlackAttempt, type SlackRetryOptions } from './slack-retries.ts';
export {
  type SlackFault,
  type SlackPost,
  type SlackServer,
  type SlackServerOptions,
  startSlackServer,
} from './slack-server.ts';
export {
  type SignedSlackRequest,
  type SlackBody,
  type SlackMessageOptions,
  type SlackSigning,
  type SlackTamper,
  signSlackRequest,
  slackForm,
  slackInteraction,
  slackJson,
  slackMessage,
} from './slack-signer.ts';
