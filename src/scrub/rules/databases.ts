import { looksRandom } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Hosted databases and data platforms. Passwords in URLs are in `urls.ts`. Formats: each product's documentation. */
export const databaseRules: readonly TokenRule[] = [
  // PlanetScale: passwords, OAuth and service tokens.
  {
    name: 'planetscale-token',
    anchors: ['pscale_pw_', 'pscale_oauth_', 'pscale_tkn_'],
    pattern: /pscale_(?:pw|oauth|tkn)_[A-Za-z0-9_=.-]{24,80}(?<!\.)/iy,
  },
  // ClickHouse Cloud: `4b1d` and 38 base62 characters.
  {
    name: 'clickhouse-key',
    anchors: ['4b1d'],
    pattern: /4b1d[A-Za-z0-9]{38}(?![A-Za-z0-9])/y,
    accept: (key) => looksRandom(key, 30) && !/^[0-9a-f]+$/.test(key),
  },
  // Databricks: `dapi` (or `dose` for service principals) and 32 hexadecimal digits, an optional suffix.
  {
    name: 'databricks-token',
    anchors: ['dapi', 'dose'],
    pattern: /(?:dapi|dose)[a-f0-9]{32}(?:-\d)?(?![A-Za-z0-9])/y,
  },
  { name: 'neon-key', anchors: ['napi_'], pattern: /napi_[a-z0-9]{40,80}/y },
  { name: 'mongodb-atlas-secret', anchors: ['mdb_sa_sk_'], pattern: /mdb_sa_sk_[A-Za-z0-9_-]{30,64}/y },
  { name: 'cockroach-key', anchors: ['ccdb1_'], pattern: /CCDB1_[A-Za-z0-9]{20,30}_[A-Za-z0-9]{30,60}/y },
  { name: 'aiven-password', anchors: ['avns_'], pattern: /AVNS_[A-Za-z0-9_-]{12,40}/y },
  { name: 'elastic-key', anchors: ['essu_'], pattern: /essu_[A-Za-z0-9+/]{40,200}={0,2}/y },
  { name: 'dbt-token', anchors: ['dbtc_', 'dbtu_'], pattern: /dbt[cu]_[A-Za-z0-9_-]{30,80}/y },
  { name: 'confluent-secret', anchors: ['cflt'], pattern: /cflt[A-Za-z0-9+/]{60,80}/y },
];
