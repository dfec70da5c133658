import type * as $protobuf from "protobufjs/minimal.js";

/** Namespace bulla. */
export namespace bulla {

    /** Namespace v1. */
    namespace v1 {

        /**
         * Properties of an Envelope.
         * @deprecated Use bulla.v1.Envelope.$Properties instead.
         */
        interface IEnvelope extends bulla.v1.Envelope.$Properties {
        }

        /** Represents an Envelope. */
        class Envelope {

            /**
             * Constructs a new Envelope.
             * @param [properties] Properties to set
             */
            private constructor();

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Envelope header. */
            header: Uint8Array;

            /** Envelope keys. */
            keys: Uint8Array[];

            /** Envelope commitment. */
            commitment: Uint8Array;

            /**
             * Encodes the specified Envelope message. Does not implicitly {@link bulla.v1.Envelope.verify|verify} messages.
             * @param message Envelope message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: bulla.v1.Envelope.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        }

        namespace Envelope {

            /** Properties of an Envelope. */
            interface $Properties {

                /** Envelope header */
                header?: (Uint8Array|null);

                /** Envelope keys */
                keys?: (Uint8Array[]|null);

                /** Envelope commitment */
                commitment?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an Envelope. */
            type $Shape = bulla.v1.Envelope.$Properties;
        }

        /** KeyUse enum. */
        enum KeyUse {

            /** KEY_USE_UNSPECIFIED value */
            KEY_USE_UNSPECIFIED = 0,

            /** KEY_USE_SINGLE value */
            KEY_USE_SINGLE = 1,

            /** KEY_USE_SHARED value */
            KEY_USE_SHARED = 2
        }

        /**
         * Properties of a Header.
         * @deprecated Use bulla.v1.Header.$Properties instead.
         */
        interface IHeader extends bulla.v1.Header.$Properties {
        }

        /** Represents a Header. */
        class Header {

            /**
             * Constructs a new Header.
             * @param [properties] Properties to set
             */
            private constructor();

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Header suite. */
            suite: number;

            /** Header salt. */
            salt: Uint8Array;

            /** Header segmentSizeLog2. */
            segmentSizeLog2: number;

            /** Header created. */
            created: number;

            /** Header keyUse. */
            keyUse: bulla.v1.KeyUse;

            /** Header contextNames. */
            contextNames: string[];

            /** Header contentType. */
            contentType: string;

            /** Header metadata. */
            metadata: bulla.v1.Pair.$Properties[];

            /**
             * Encodes the specified Header message. Does not implicitly {@link bulla.v1.Header.verify|verify} messages.
             * @param message Header message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: bulla.v1.Header.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        }

        namespace Header {

            /** Properties of a Header. */
            interface $Properties {

                /** Header suite */
                suite?: (number|null);

                /** Header salt */
                salt?: (Uint8Array|null);

                /** Header segmentSizeLog2 */
                segmentSizeLog2?: (number|null);

                /** Header created */
                created?: (number|null);

                /** Header keyUse */
                keyUse?: (bulla.v1.KeyUse|null);

                /** Header contextNames */
                contextNames?: (string[]|null);

                /** Header contentType */
                contentType?: (string|null);

                /** Header metadata */
                metadata?: (bulla.v1.Pair.$Properties[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Header. */
            type $Shape = bulla.v1.Header.$Properties;
        }

        /**
         * Properties of a Pair.
         * @deprecated Use bulla.v1.Pair.$Properties instead.
         */
        interface IPair extends bulla.v1.Pair.$Properties {
        }

        /** Represents a Pair. */
        class Pair {

            /**
             * Constructs a new Pair.
             * @param [properties] Properties to set
             */
            private constructor();

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Pair name. */
            name: string;

            /** Pair value. */
            value: string;

            /**
             * Encodes the specified Pair message. Does not implicitly {@link bulla.v1.Pair.verify|verify} messages.
             * @param message Pair message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: bulla.v1.Pair.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        }

        namespace Pair {

            /** Properties of a Pair. */
            interface $Properties {

                /** Pair name */
                name?: (string|null);

                /** Pair value */
                value?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Pair. */
            type $Shape = bulla.v1.Pair.$Properties;
        }

        /**
         * Properties of a WrappedKey.
         * @deprecated Use bulla.v1.WrappedKey.$Properties instead.
         */
        interface IWrappedKey extends bulla.v1.WrappedKey.$Properties {
        }

        /** Represents a WrappedKey. */
        class WrappedKey {

            /**
             * Constructs a new WrappedKey.
             * @param [properties] Properties to set
             */
            private constructor();

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** WrappedKey keyId. */
            keyId: string;

            /** WrappedKey version. */
            version: number;

            /** WrappedKey serviceId. */
            serviceId: string;

            /** WrappedKey keyContext. */
            keyContext: bulla.v1.Pair.$Properties[];

            /** WrappedKey ecdh. */
            ecdh?: (bulla.v1.Ecdh.$Properties|null);

            /** WrappedKey serviceEcdh. */
            serviceEcdh?: (bulla.v1.Ecdh.$Properties|null);

            /** WrappedKey aes. */
            aes?: (bulla.v1.Aes.$Properties|null);

            /** WrappedKey rsa. */
            rsa?: (bulla.v1.Rsa.$Properties|null);

            /** WrappedKey passphrase. */
            passphrase?: (bulla.v1.Passphrase.$Properties|null);

            /** WrappedKey service. */
            service?: (bulla.v1.Service.$Properties|null);

            /** WrappedKey method. */
            method?: ("ecdh"|"serviceEcdh"|"aes"|"rsa"|"passphrase"|"service");

            /**
             * Encodes the specified WrappedKey message. Does not implicitly {@link bulla.v1.WrappedKey.verify|verify} messages.
             * @param message WrappedKey message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: bulla.v1.WrappedKey.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        }

        namespace WrappedKey {

            /** Properties of a WrappedKey. */
            interface $Properties {

                /** WrappedKey keyId */
                keyId?: (string|null);

                /** WrappedKey version */
                version?: (number|null);

                /** WrappedKey serviceId */
                serviceId?: (string|null);

                /** WrappedKey keyContext */
                keyContext?: (bulla.v1.Pair.$Properties[]|null);

                /** WrappedKey ecdh */
                ecdh?: (bulla.v1.Ecdh.$Properties|null);

                /** WrappedKey serviceEcdh */
                serviceEcdh?: (bulla.v1.Ecdh.$Properties|null);

                /** WrappedKey aes */
                aes?: (bulla.v1.Aes.$Properties|null);

                /** WrappedKey rsa */
                rsa?: (bulla.v1.Rsa.$Properties|null);

                /** WrappedKey passphrase */
                passphrase?: (bulla.v1.Passphrase.$Properties|null);

                /** WrappedKey service */
                service?: (bulla.v1.Service.$Properties|null);

                /** WrappedKey method */
                method?: ("ecdh"|"serviceEcdh"|"aes"|"rsa"|"passphrase"|"service");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of a WrappedKey. */
            type $Shape = {
              keyId?: string|null;
              version?: number|null;
              serviceId?: string|null;
              keyContext?: bulla.v1.Pair.$Shape[]|null;
              ecdh?: bulla.v1.Ecdh.$Shape|null;
              serviceEcdh?: bulla.v1.Ecdh.$Shape|null;
              aes?: bulla.v1.Aes.$Shape|null;
              rsa?: bulla.v1.Rsa.$Shape|null;
              passphrase?: bulla.v1.Passphrase.$Shape|null;
              service?: bulla.v1.Service.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ method?: undefined; ecdh?: null; serviceEcdh?: null; aes?: null; rsa?: null; passphrase?: null; service?: null }|{ method?: "ecdh"; ecdh: bulla.v1.Ecdh.$Shape; serviceEcdh?: null; aes?: null; rsa?: null; passphrase?: null; service?: null }|{ method?: "serviceEcdh"; ecdh?: null; serviceEcdh: bulla.v1.Ecdh.$Shape; aes?: null; rsa?: null; passphrase?: null; service?: null }|{ method?: "aes"; ecdh?: null; serviceEcdh?: null; aes: bulla.v1.Aes.$Shape; rsa?: null; passphrase?: null; service?: null }|{ method?: "rsa"; ecdh?: null; serviceEcdh?: null; aes?: null; rsa: bulla.v1.Rsa.$Shape; passphrase?: null; service?: null }|{ method?: "passphrase"; ecdh?: null; serviceEcdh?: null; aes?: null; rsa?: null; passphrase: bulla.v1.Passphrase.$Shape; service?: null }|{ method?: "service"; ecdh?: null; serviceEcdh?: null; aes?: null; rsa?: null; passphrase?: null; service: bulla.v1.Service.$Shape })
            );
        }

        /**
         * Properties of an Ecdh.
         * @deprecated Use bulla.v1.Ecdh.$Properties instead.
         */
        interface IEcdh extends bulla.v1.Ecdh.$Properties {
        }

        /** Represents an Ecdh. */
        class Ecdh {

            /**
             * Constructs a new Ecdh.
             * @param [properties] Properties to set
             */
            private constructor();

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Ecdh ephemeralKey. */
            ephemeralKey: Uint8Array;

            /** Ecdh sealedKey. */
            sealedKey: Uint8Array;

            /**
             * Encodes the specified Ecdh message. Does not implicitly {@link bulla.v1.Ecdh.verify|verify} messages.
             * @param message Ecdh message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: bulla.v1.Ecdh.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        }

        namespace Ecdh {

            /** Properties of an Ecdh. */
            interface $Properties {

                /** Ecdh ephemeralKey */
                ephemeralKey?: (Uint8Array|null);

                /** Ecdh sealedKey */
                sealedKey?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an Ecdh. */
            type $Shape = bulla.v1.Ecdh.$Properties;
        }

        /**
         * Properties of an Aes.
         * @deprecated Use bulla.v1.Aes.$Properties instead.
         */
        interface IAes extends bulla.v1.Aes.$Properties {
        }

        /** Represents an Aes. */
        class Aes {

            /**
             * Constructs a new Aes.
             * @param [properties] Properties to set
             */
            private constructor();

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Aes salt. */
            salt: Uint8Array;

            /** Aes sealedKey. */
            sealedKey: Uint8Array;

            /**
             * Encodes the specified Aes message. Does not implicitly {@link bulla.v1.Aes.verify|verify} messages.
             * @param message Aes message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: bulla.v1.Aes.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        }

        namespace Aes {

            /** Properties of an Aes. */
            interface $Properties {

                /** Aes salt */
                salt?: (Uint8Array|null);

                /** Aes sealedKey */
                sealedKey?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an Aes. */
            type $Shape = bulla.v1.Aes.$Properties;
        }

        /**
         * Properties of a Rsa.
         * @deprecated Use bulla.v1.Rsa.$Properties instead.
         */
        interface IRsa extends bulla.v1.Rsa.$Properties {
        }

        /** Represents a Rsa. */
        class Rsa {

            /**
             * Constructs a new Rsa.
             * @param [properties] Properties to set
             */
            private constructor();

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Rsa encryptedKey. */
            encryptedKey: Uint8Array;

            /**
             * Encodes the specified Rsa message. Does not implicitly {@link bulla.v1.Rsa.verify|verify} messages.
             * @param message Rsa message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: bulla.v1.Rsa.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        }

        namespace Rsa {

            /** Properties of a Rsa. */
            interface $Properties {

                /** Rsa encryptedKey */
                encryptedKey?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Rsa. */
            type $Shape = bulla.v1.Rsa.$Properties;
        }

        /**
         * Properties of a Passphrase.
         * @deprecated Use bulla.v1.Passphrase.$Properties instead.
         */
        interface IPassphrase extends bulla.v1.Passphrase.$Properties {
        }

        /** Represents a Passphrase. */
        class Passphrase {

            /**
             * Constructs a new Passphrase.
             * @param [properties] Properties to set
             */
            private constructor();

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Passphrase salt. */
            salt: Uint8Array;

            /** Passphrase iterations. */
            iterations: number;

            /** Passphrase sealedKey. */
            sealedKey: Uint8Array;

            /**
             * Encodes the specified Passphrase message. Does not implicitly {@link bulla.v1.Passphrase.verify|verify} messages.
             * @param message Passphrase message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: bulla.v1.Passphrase.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        }

        namespace Passphrase {

            /** Properties of a Passphrase. */
            interface $Properties {

                /** Passphrase salt */
                salt?: (Uint8Array|null);

                /** Passphrase iterations */
                iterations?: (number|null);

                /** Passphrase sealedKey */
                sealedKey?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Passphrase. */
            type $Shape = bulla.v1.Passphrase.$Properties;
        }

        /**
         * Properties of a Service.
         * @deprecated Use bulla.v1.Service.$Properties instead.
         */
        interface IService extends bulla.v1.Service.$Properties {
        }

        /** Represents a Service. */
        class Service {

            /**
             * Constructs a new Service.
             * @param [properties] Properties to set
             */
            private constructor();

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Service opaque. */
            opaque: Uint8Array;

            /**
             * Encodes the specified Service message. Does not implicitly {@link bulla.v1.Service.verify|verify} messages.
             * @param message Service message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: bulla.v1.Service.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        }

        namespace Service {

            /** Properties of a Service. */
            interface $Properties {

                /** Service opaque */
                opaque?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Service. */
            type $Shape = bulla.v1.Service.$Properties;
        }
    }
}
