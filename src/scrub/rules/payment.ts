import { isVaried, randomChars } from '../randomness.ts';
import type { TokenRule } from './rule.ts';

/** Payment, banking, shipping and exchange. Formats: each provider's API reference on keys. */
export const paymentRules: readonly TokenRule[] = [
  // Stripe (and those who copied its form: Clerk, Paystack, Courier): secret and restricted keys per environment.
  {
    name: 'stripe-key',
    anchors: ['sk_test_', 'sk_live_', 'sk_prod_', 'rk_test_', 'rk_live_', 'rk_prod_'],
    pattern: /[sr]k_(?:test|live|prod)_[A-Za-z0-9]{10,255}/y,
  },
  { name: 'stripe-webhook-secret', anchors: ['whsec_'], pattern: /whsec_[A-Za-z0-9+/=]{16,100}/y },
  // Square: access tokens, application secrets, and the older `EAAA` form.
  {
    name: 'square-token',
    anchors: ['sq0atp-', 'sq0csp-', 'sq0idp-'],
    pattern: /sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{20,64}/y,
  },
  {
    name: 'square-token',
    anchors: ['eaaa'],
    pattern: /EAAA[A-Za-z0-9_-]{22,64}/y,
    boundary: 'strict',
    accept: isVaried,
  },
  // PayPal and Braintree: environment and three parts between dollar signs.
  {
    name: 'braintree-token',
    anchors: ['access_token$'],
    pattern: /access_token\$(?:production|sandbox)\$[a-z0-9]{12,20}\$[a-f0-9]{24,40}/y,
  },
  // Adyen API keys.
  { name: 'adyen-key', anchors: ['aqe'], pattern: /AQE[a-z][A-Za-z0-9+/=_-]{90,260}/y, boundary: 'strict' },
  // Razorpay key ids; Flutterwave (test and live); Paystack is Stripe's form.
  { name: 'razorpay-key', anchors: ['rzp_live_', 'rzp_test_'], pattern: /rzp_(?:live|test)_[A-Za-z0-9]{12,32}/y },
  {
    name: 'flutterwave-key',
    anchors: ['flwseck_test', 'flwpubk_test', 'flwseck-', 'flwpubk-'],
    pattern: /FLW(?:(?:SECK|PUBK)(?:_TEST)?-[A-Za-z0-9]{12,40}(?:-X)?|SECK_TEST[a-h0-9]{12}(?![A-Za-z0-9]))/y,
  },
  // Plaid access tokens: environment and a UUID.
  {
    name: 'plaid-token',
    anchors: ['access-sandbox-', 'access-development-', 'access-production-'],
    pattern: /access-(?:sandbox|development|production)-[0-9a-f-]{36}/y,
  },
  // GoCardless (`live_`, `sandbox_`), Lob (`live_`, `test_`, `_pub_`) and Mollie share prefixes: what follows must be random.
  {
    name: 'payment-key',
    anchors: ['live_', 'test_', 'sandbox_'],
    pattern: /(?:live|test|sandbox)_(?:pub_)?[A-Za-z0-9_=-]{30,64}/y,
    boundary: 'strict',
    isShared: true,
    accept: (key) => isVaried(key) && randomChars(key) >= 14,
  },
  { name: 'duffel-token', anchors: ['duffel_'], pattern: /duffel_(?:test|live)_[A-Za-z0-9_=-]{32,64}/y },
  { name: 'shippo-token', anchors: ['shippo_'], pattern: /shippo_(?:live|test)_[A-Fa-f0-9]{40,64}/y },
  // EasyPost: `EZ`, environment (`A` or `T`), `K`, 54 characters.
  { name: 'easypost-key', anchors: ['ezak', 'eztk'], pattern: /EZ[AT]K[A-Za-z0-9]{40,64}/y },
  // Shopify: kind of app (public, custom, private), shared secret and others behind `shp`.
  {
    name: 'shopify-token',
    anchors: ['shpat_', 'shpca_', 'shppa_', 'shpss_', 'shpua_', 'shptka_', 'shprt_'],
    pattern: /shp(?:at|ca|pa|ss|ua|tka|rt)_[A-Fa-f0-9]{32,64}/y,
  },
  // Freemius secret keys: `sk_` and 29 printable characters in a PHP array.
  {
    name: 'freemius-key',
    anchors: ['secret_key'],
    pattern: /(secret_key["']\s{0,4}=>\s{0,4}["'])sk_\S{20,40}(?=["'])/y,
    boundary: 'none',
  },
  { name: 'paddle-key', anchors: ['pdl_'], pattern: /pdl_(?:live|sdbx)_[A-Za-z0-9_]{30,100}/y },
  { name: 'checkout-key', anchors: ['sk_sbox_'], pattern: /sk_sbox_[A-Za-z0-9]{20,64}/y },
  // WooCommerce: consumer keys and secrets, 40 hexadecimal digits.
  {
    name: 'woocommerce-key',
    anchors: ['ck_', 'cs_'],
    pattern: /c[ks]_[a-f0-9]{40}(?![A-Za-z0-9])/y,
    boundary: 'strict',
  },
  // Coinbase's and other exchanges' keys are plain hexadecimal, base64 or UUIDs: only a name gives them away.
];
