/** What bulla has for Node alone. */

export {};
