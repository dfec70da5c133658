// What the page of these tests has at hand: the built SDK, and what a client needs besides.

import * as cache from '../../dist/cache.js';
import * as bulla from '../../dist/index.js';
import * as keyrings from '../../dist/keyrings/service.js';
import * as service from '../../dist/service.js';

Object.assign(globalThis, { sdk: { ...bulla, ...cache, ...keyrings, ...service } });
