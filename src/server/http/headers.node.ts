import type { IncomingHttpHeaders } from 'node:http';
import type { DeliveryHeaders } from '../../channels/channel.ts';

/** Node's own header object; making a web `Headers` of it first takes as long as routing the request. */
export const nodeHeaders = (headers: IncomingHttpHeaders): DeliveryHeaders => ({
  get(name) {
    const value = headers[name];
    // Node keeps a list only for set-cookie, which no request carries; other repeated headers it joins by ', '.
    return typeof value === 'string' ? value : null;
  },
});
