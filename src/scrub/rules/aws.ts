import { isFiller, looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Formats: AWS IAM User Guide, "IAM identifiers"; AWS Bedrock, AppSync, MWS and Login with Amazon guides. */
export const awsRules: readonly TokenRule[] = [
  // An access key id is a four-letter kind (long-term, temporary, bearer, context-specific, and the older A3T?) and
  // 16 letters or digits, 20 in all and no more.
  {
    name: 'aws-access-key-id',
    anchors: ['akia', 'asia', 'abia', 'acca', 'a3t'],
    pattern: /(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}(?![A-Za-z0-9])/y,
    accept: (id) => !isFiller(id.slice(4)) && (/\d/.test(id) || looksRandom(id.slice(4), 10)),
  },
  // Session tokens are base64 of a binary structure whose first bytes are the same within a region.
  {
    name: 'aws-session-token',
    anchors: ['fwogzxivyxdze', 'iqojb3jpz2lu', 'fqogzxivyxdze'],
    pattern: /(?:FwoGZXIvYXdzE|IQoJb3JpZ2lu|FQoGZXIvYXdzE)[A-Za-z0-9+/=_%-]{80,4096}/y,
  },
  // Bedrock API keys: base64 of `BedrockAPIKey-…` (long-lived), or the literal prefix and a signed URL (short-lived).
  { name: 'aws-bedrock-key', anchors: ['absk'], pattern: /ABSK[A-Za-z0-9+/]{40,400}={0,2}/y, boundary: 'strict' },
  { name: 'aws-bedrock-key', anchors: ['bedrock-api-key-'], pattern: /bedrock-api-key-[A-Za-z0-9+/=_-]{32,4096}/y },
  // AppSync API keys.
  { name: 'aws-appsync-key', anchors: ['da2-'], pattern: /da2-[a-z0-9]{26}(?![a-z0-9])/y, boundary: 'strict' },
  // Marketplace Web Service tokens: a UUID behind `amzn.mws.`.
  { name: 'amazon-mws-token', anchors: ['amzn.mws.'], pattern: /amzn\.mws\.[0-9a-f-]{36}/y },
  // Login with Amazon and Selling Partner: client secrets, refresh tokens (`Atzr|`) and access tokens (`Atza|`).
  { name: 'amazon-oauth', anchors: ['amzn1.oa2-cs.v1.'], pattern: /amzn1\.oa2-cs\.v1\.[0-9a-f]{40,80}/y },
  { name: 'amazon-oauth', anchors: ['atzr|', 'atza|'], pattern: /Atz[ar]\|[A-Za-z0-9+/=_-]{40,2048}/y },
  // The signature of a presigned URL is the capability; the date and credential around it are not.
  {
    name: 'aws-presigned-signature',
    anchors: ['x-amz-signature='],
    pattern: /(X-Amz-Signature=)[0-9a-f]{32,128}/iy,
    boundary: 'none',
  },
  // EKS sign-in: a presigned STS URL in base64url.
  { name: 'aws-eks-token', anchors: ['k8s-aws-v1.'], pattern: /k8s-aws-v1\.[A-Za-z0-9_-]{40,4096}/y },
];
