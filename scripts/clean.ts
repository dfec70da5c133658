// Removes dist/, so that nothing of an earlier build is published or tested.

import { rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
