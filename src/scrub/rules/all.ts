import { assignments } from '../assignment/assignments.ts';
import { pairs } from '../phrases/pairs.ts';
import { phrases, vendorKeys } from '../phrases/phrases.ts';
import { recoveryCodes } from '../phrases/recovery-codes.ts';
import { awsRules } from './aws.ts';
import { azureRules } from './azure.ts';
import { ciRules } from './ci.ts';
import { cloudRules } from './clouds.ts';
import { codeHostRules } from './code-hosts.ts';
import { commandLineRules, curlUser } from './command-lines.ts';
import { companions } from './companions.ts';
import { databaseRules } from './databases.ts';
import { googleRules } from './google.ts';
import { cookies, headerRules } from './headers.ts';
import { jwtRules } from './jwt.ts';
import { kubernetesSecrets } from './kubernetes.ts';
import { messagingRules } from './messaging.ts';
import { modelProviderRules } from './model-providers.ts';
import { moreCommandRules } from './more-commands.ts';
import { packageRegistryRules } from './package-registries.ts';
import { paymentRules } from './payment.ts';
import { privateKeyBlocks, privateKeyRules } from './private-keys.ts';
import type { ContextRule, TokenRule } from './rule.ts';
import { saasRules } from './saas.ts';
import { shapeRules } from './shapes.ts';
import { urlRules } from './urls.ts';
import { walletRules } from './wallets.ts';

export const tokenRules: readonly TokenRule[] = [
  ...awsRules,
  ...googleRules,
  ...azureRules,
  ...cloudRules,
  ...modelProviderRules,
  ...codeHostRules,
  ...ciRules,
  ...packageRegistryRules,
  ...paymentRules,
  ...messagingRules,
  ...saasRules,
  ...databaseRules,
  ...jwtRules,
  ...privateKeyRules,
  ...headerRules,
  ...commandLineRules,
  ...moreCommandRules,
  ...urlRules,
  ...walletRules,
];

export const contextRules: readonly ContextRule[] = [
  privateKeyBlocks,
  assignments,
  phrases,
  vendorKeys,
  recoveryCodes,
  pairs,
  cookies,
  curlUser,
  companions,
  kubernetesSecrets,
];

export { shapeRules };
