/** A cache of data keys in front of a keyring: fewer calls, within limits. */

export {};
