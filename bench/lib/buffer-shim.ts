// What the AWS Encryption SDK expects of a page: Node's Buffer.

export { Buffer } from 'buffer/';
