/** `sallyport/testing`: signers and local vendor servers, for tests of what stands behind the gate. */
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
