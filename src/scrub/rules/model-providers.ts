import { looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Formats: each provider's console and API reference. Providers whose keys have no form of their own need a name beside. */
export const modelProviderRules: readonly TokenRule[] = [
  // OpenAI: `sk-` with or without a kind, and in the middle the base64 of "OpenAI". Newer kinds are named.
  {
    name: 'openai-key',
    anchors: ['sk-proj-', 'sk-svcacct-', 'sk-admin-', 'sk-none-'],
    pattern: /sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{32,200}/iy,
  },
  {
    name: 'openai-key',
    anchors: ['t3blbkfj'],
    lead: 23,
    pattern: /sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}/y,
  },
  { name: 'openai-key', anchors: ['sess-'], pattern: /sess-[A-Za-z0-9]{40}(?![A-Za-z0-9])/y },
  // Anthropic: API, admin, OAuth access, refresh and session keys.
  { name: 'anthropic-key', anchors: ['sk-ant-'], pattern: /sk-ant-[a-z]{3,8}\d{2}-[A-Za-z0-9_-]{40,200}/y },
  // Keys of many providers copy OpenAI's `sk-` (DeepSeek, Moonshot, Qwen, Stability, OpenRouter, Langfuse, Helicone,
  // LiteLLM): 32 characters or more that no word is made of.
  {
    name: 'model-provider-key',
    anchors: ['sk-'],
    pattern: /sk-(?:[a-z]{2,12}-){0,2}(?:v\d-)?[A-Za-z0-9_-]{20,200}/y,
    boundary: 'strict',
    isShared: true,
    accept: (key) => looksRandom(key.slice(3), 16) && !/^sk-[0-9a-f]{1,31}$/.test(key),
  },
  // Hugging Face: user tokens and organisation tokens, 34 letters.
  {
    name: 'huggingface-token',
    anchors: ['hf_'],
    pattern: /hf_[A-Za-z0-9]{30,40}(?![A-Za-z0-9]|_[A-Za-z0-9])/y,
    boundary: 'strict',
    accept: (token) => looksRandom(token, 20),
  },
  {
    name: 'huggingface-token',
    anchors: ['api_org_'],
    pattern: /api_org_[A-Za-z0-9]{34}(?![A-Za-z0-9]|_[A-Za-z0-9])/y,
    accept: (token) => looksRandom(token, 20),
  },
  // Groq, xAI, Perplexity, Replicate, NVIDIA, Cerebras, Fireworks, Together, Cartesia, Jina, Voyage, Tavily, Nomic.
  { name: 'groq-key', anchors: ['gsk_'], pattern: /gsk_[A-Za-z0-9]{32,64}/y, boundary: 'strict' },
  { name: 'xai-key', anchors: ['xai-'], pattern: /xai-[A-Za-z0-9_]{40,100}/y, boundary: 'strict' },
  { name: 'perplexity-key', anchors: ['pplx-'], pattern: /pplx-[A-Za-z0-9]{32,64}/y, boundary: 'strict' },
  {
    name: 'replicate-token',
    anchors: ['r8_'],
    pattern: /r8_[A-Za-z0-9]{30,48}/y,
    boundary: 'strict',
    accept: (token) => looksRandom(token, 16),
  },
  { name: 'nvidia-key', anchors: ['nvapi-'], pattern: /nvapi-[A-Za-z0-9_-]{40,100}/y },
  {
    name: 'cerebras-key',
    anchors: ['csk-'],
    pattern: /csk-[a-z0-9]{40,64}/y,
    boundary: 'strict',
    accept: (key) => looksRandom(key, 16),
  },
  {
    name: 'fireworks-key',
    anchors: ['fw_'],
    pattern: /fw_[A-Za-z0-9]{20,32}(?![A-Za-z0-9]|_[A-Za-z0-9])/y,
    boundary: 'strict',
    accept: (key) => looksRandom(key, 14),
  },
  { name: 'together-key', anchors: ['tgp_v1_'], pattern: /tgp_v1_[A-Za-z0-9_-]{32,80}/y },
  {
    name: 'jina-key',
    anchors: ['jina_'],
    pattern: /jina_[A-Za-z0-9_-]{40,80}/y,
    accept: (key) => looksRandom(key, 20),
  },
  {
    name: 'voyage-key',
    anchors: ['pa-', 'al-'],
    pattern: /(?:pa|al)-[A-Za-z0-9_-]{40,64}(?![A-Za-z0-9_-])/y,
    boundary: 'strict',
    accept: (key) => looksRandom(key, 24),
  },
  {
    name: 'tavily-key',
    anchors: ['tvly-'],
    pattern: /tvly-[A-Za-z0-9-]{20,64}/y,
    accept: (key) => looksRandom(key, 12),
  },
  // ElevenLabs: `sk_` and 48 hexadecimal digits.
  { name: 'elevenlabs-key', anchors: ['sk_'], pattern: /sk_[a-f0-9]{48}(?![A-Za-z0-9])/y, boundary: 'strict' },
  { name: 'cartesia-key', anchors: ['sk_car_'], pattern: /sk_car_[A-Za-z0-9_-]{16,64}/y },
  // LangSmith, Langfuse, Weights & Biases, Pinecone, LlamaCloud, Anyscale, RunPod, E2B, Firecrawl, Apify, Browserbase.
  { name: 'langsmith-key', anchors: ['lsv2_'], pattern: /lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}/y },
  { name: 'langfuse-key', anchors: ['sk-lf-'], pattern: /sk-lf-[0-9a-f-]{36}/y },
  { name: 'wandb-key', anchors: ['wandb_v1_'], pattern: /wandb_v1_[A-Za-z0-9_]{40,100}/y },
  { name: 'pinecone-key', anchors: ['pcsk_'], pattern: /pcsk_[A-Za-z0-9_]{40,100}/y },
  { name: 'llamacloud-key', anchors: ['llx-'], pattern: /llx-[A-Za-z0-9]{40,64}/y, boundary: 'strict' },
  { name: 'anyscale-key', anchors: ['esecret_'], pattern: /esecret_[A-Za-z0-9]{20,64}/y },
  {
    name: 'runpod-key',
    anchors: ['rpa_'],
    pattern: /rpa_[A-Za-z0-9]{36,64}/y,
    boundary: 'strict',
    accept: (key) => looksRandom(key, 16),
  },
  { name: 'e2b-key', anchors: ['e2b_'], pattern: /e2b_[a-f0-9]{40}/y },
  {
    name: 'firecrawl-key',
    anchors: ['fc-'],
    pattern: /fc-[a-f0-9]{32}(?![A-Za-z0-9])/y,
    boundary: 'strict',
  },
  { name: 'apify-token', anchors: ['apify_api_'], pattern: /apify_api_[A-Za-z0-9]{30,48}/y },
  { name: 'browserbase-key', anchors: ['bb_live_', 'bb_test_'], pattern: /bb_(?:live|test)_[A-Za-z0-9_-]{20,64}/y },
  { name: 'cursor-key', anchors: ['key_'], pattern: /key_[a-f0-9]{64}(?![A-Za-z0-9])/y, boundary: 'strict' },
  // Zhipu (GLM) keys: 32 hexadecimal digits, a dot, 16 characters, recognised by the whole shape only.
];
