import { looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Formats: Microsoft Learn (storage, Entra ID, DevOps, Service Bus) and Microsoft's published identifiable-key scheme. */
export const azureRules: readonly TokenRule[] = [
  // Entra ID client secrets: three characters, a version digit, `Q~`, and 31 to 34 more.
  {
    name: 'azure-client-secret',
    anchors: ['q~'],
    lead: 4,
    pattern: /[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{30,34}(?<!\.)/y,
    accept: (secret) => [/[a-z]/, /[A-Z]/, /\d/].every((kind) => kind.test(secret.slice(6))),
  },
  // Storage, Cosmos DB and Batch account keys: 64 bytes of base64, always ending in `==`.
  {
    name: 'azure-storage-key',
    anchors: ['accountkey='],
    pattern: /(AccountKey=)[A-Za-z0-9+/]{20,86}={0,2}/iy,
    boundary: 'none',
  },
  // Identifiable keys carry four fixed characters near the end that name the service (storage, Cosmos, Batch, IoT,
  // Service Bus, Event Hubs, Search, Functions, container registry, API management, Redis, Data Factory, Relay).
  {
    name: 'azure-storage-key',
    anchors: ['+ast', '+acr', '+aba', '+asb', '+aeh', '+arm', 'acdb'],
    lead: 76,
    pattern: /[A-Za-z0-9+/]{76}(?:\+ASt|\+ABa|ACDb)[A-Za-z0-9+/]{5,6}[AQgw]?={1,2}/y,
  },
  {
    name: 'azure-service-key',
    anchors: ['+asb', '+aeh', '+arm', 'aiot', '+acr'],
    lead: 33,
    pattern: /[A-Za-z0-9+/]{33}(?:\+ASb|\+AEh|\+ARm|AIoT)[A-Za-z0-9+/]{5,6}=/y,
  },
  {
    name: 'azure-service-key',
    anchors: ['azfu', 'azse', 'apim', 'azca'],
    lead: 44,
    pattern: /[A-Za-z0-9_+/-]{44}(?:AzFu|AzSe|APIM|AzCa)[A-Za-z0-9+/_-]{4,6}={0,2}/y,
  },
  {
    name: 'azure-service-key',
    anchors: ['+acr'],
    lead: 42,
    pattern: /[A-Za-z0-9+/]{42}\+ACR[A-Za-z0-9]{6}/y,
  },
  // Newer keys of 84 characters (AI services, Maps, Event Grid and others) have `JQQJ99` at position 52.
  { name: 'azure-service-key', anchors: ['jqqj99'], lead: 52, pattern: /[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{20,32}/y },
  // DevOps personal access tokens of 84 characters have `AZDO` at position 76.
  { name: 'azure-devops-token', anchors: ['azdo'], lead: 76, pattern: /[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}/y },
  // Shared access keys and names in connection strings (Service Bus, Event Hubs, IoT, SignalR, App Configuration).
  {
    name: 'azure-connection-string',
    anchors: ['sharedaccesskey=', 'accesskey=', ';secret='],
    pattern: /((?:SharedAccessKey|AccessKey|;Secret)=)[A-Za-z0-9+/]{20,100}={0,2}/iy,
    boundary: 'none',
  },
  // Shared access signatures: the `sig` parameter, base64 and usually percent-encoded.
  {
    name: 'azure-sas',
    anchors: ['sig='],
    pattern: /(sig=)(?:[A-Za-z0-9+/]|%[0-9A-Fa-f]{2}){24,128}={0,2}/y,
    accept: (signature) => looksRandom(signature, 12),
  },
  // Entra ID refresh tokens begin with a version and `.A`; personal-account ones with `M.` and a region.
  {
    name: 'azure-refresh-token',
    anchors: ['0.a', '1.a'],
    pattern: /[01]\.A[A-Za-z0-9_-]{18,60}\.[A-Za-z0-9_.-]{100,4096}/y,
  },
  {
    name: 'azure-refresh-token',
    anchors: ['m.c', 'm.r3_'],
    pattern: /M\.[CR]\d{1,4}_[A-Z0-9]{2,6}\.[A-Za-z0-9.!*$_-]{60,2048}/y,
    boundary: 'strict',
  },
];
