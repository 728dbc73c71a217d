/** Names one conversation to a store. The tenant travels along because it decides the shard. */
export interface ConversationRef {
  readonly tenant: string;
  /** `Conversation.key` */
  readonly key: string;
}
