/** What credentials of AWS are, in declarations that do not need the SDK. */

/** Credentials of AWS. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string | undefined;
  /** When temporary credentials end. A function is asked again before that. */
  readonly expiration?: Date | undefined;
}
