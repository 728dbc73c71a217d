// Kept in the declarations: they use Node's types, whatever `types` the reading project sets.
/// <reference types="node" preserve="true" />
/** `sallyport/testing`: signers and local vendor servers, for tests of what stands behind the gate. */

export {
  type CallbackSigning,
  type CallbackTamper,
  type HttpAgentAnswer,
  type HttpAgentReaction,
  type HttpAgentRequest,
  type HttpAgentServer,
  type HttpAgentServerOptions,
  type SignedCallback,
  signCallback,
  startHttpAgentServer,
} from './agents/http-agent-server.ts';
export {
  type LlmAnswer,
  type LlmRequest,
  type LlmServer,
  type LlmServerOptions,
  startLlmServer,
} from './agents/llm-server.ts';
export {
  type PushTokenForgery,
  type PushTokenOptions,
  pushClaimForgeries,
  pushClaims,
  signPushToken,
} from './gmail/google-signer.ts';
export type { LocalMailbox, MailContent, MailOptions, StoredMail } from './gmail/mailbox.ts';
export {
  type PushAttempt,
  type PushDeliveries,
  type PushDeliveryOptions,
  startPushDeliveries,
} from './gmail/pubsub-deliveries.ts';
export {
  gmailPush,
  isAcknowledged,
  newPushId,
  type PushOptions,
  type PushRequest,
  withToken,
} from './gmail/pubsub-sender.ts';
export type { GmailCall } from './gmail/routes.ts';
export {
  type GmailFault,
  type GmailServer,
  type GmailServerOptions,
  type SentMail,
  startGmailServer,
} from './gmail/server.ts';
export { type PostToGate, validateEndpoint } from './graph/handshake.ts';
export type { Disturb, Disturbance, GraphPush, GraphPushes } from './graph/pushes.ts';
export type { GraphReply } from './graph/rest.ts';
export {
  createFakeGraph,
  type FakeGraph,
  type GraphAsked,
  type GraphFault,
  type GraphServer,
  type GraphServerOptions,
  startGraphServer,
  type WrittenMessage,
} from './graph/server.ts';
export {
  encryptGraphContent,
  GRAPH_PUBLISHER,
  type GraphEncryptedContent,
  type GraphItem,
  type GraphItemOptions,
  type GraphMessageOptions,
  type GraphRequest,
  type GraphTamper,
  type GraphTokenOptions,
  graphChatMessage,
  graphClaims,
  graphDelivery,
  graphItem,
  graphMail,
  graphTime,
  signGraphToken,
} from './graph/signer.ts';
export type { GraphSubscription } from './graph/subscriptions.ts';
export { createTestCertificate, type TestCertificate } from './keys/certificate.ts';
export { type KeyServer, type KeyServerMode, type KeyServerOptions, startKeyServer } from './keys/key-server.ts';
export {
  type Claims,
  createSigningKey,
  forgeToken,
  type SigningKey,
  type SigningKeyOptions,
  signToken,
  type TokenForgery,
  tokenForgeries,
} from './keys/signing-key.ts';
export { deliverWithRetries, type SlackAttempt, type SlackRetryOptions } from './slack/retries.ts';
export {
  type SlackFault,
  type SlackPost,
  type SlackServer,
  type SlackServerOptions,
  startSlackServer,
} from './slack/server.ts';
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
} from './slack/signer.ts';
export {
  type BotConnectorFault,
  type BotConnectorOptions,
  type BotConnectorServer,
  type BotPost,
  createBotConnectorKey,
  startBotConnectorServer,
} from './teams/bot-connector-server.ts';
export { deliverActivity, type TeamsAttempt, type TeamsResendOptions } from './teams/resend.ts';
export {
  BOT_FRAMEWORK_ISSUER,
  freshSecurityToken,
  hmacAuthorization,
  type SignedTeamsRequest,
  signTeamsActivity,
  signTeamsOutgoing,
  TEAMS_SERVICE_URL,
  type TeamsActivity,
  type TeamsBotSigning,
  type TeamsMessageOptions,
  type TeamsOutgoingSigning,
  type TeamsTamper,
  teamsClaims,
  teamsMessage,
} from './teams/signer.ts';
