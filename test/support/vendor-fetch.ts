import { createClients } from '../../src/net/clients.ts';

/** The client a worker would have for a vendor at these URLs, local ones included. */
export const vendorFetch = (...urls: readonly string[]): typeof globalThis.fetch =>
  createClients().open('vendor', urls).fetch;
