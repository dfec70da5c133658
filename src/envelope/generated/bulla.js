/*eslint-disable block-scoped-var, id-length, no-control-regex, no-magic-numbers, no-mixed-operators, no-prototype-builtins, no-redeclare, no-shadow, no-var, sort-vars, default-case, jsdoc/require-param*/
import $Writer from "protobufjs/src/writer.js";

const $Object = Object, $has = (message, name) => message[name] != null && $Object.hasOwn(message, name);

const $root = {};

export const bulla = $root.bulla = (() => {

    const bulla = {};

    bulla.v1 = (function() {

        const v1 = {};

        v1.Envelope = (function() {

            const Envelope = {};

            Envelope.encode = function (message, writer = new $Writer()) {
                if ($has(message, "header") && message.header.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.header);
                if (message.keys != null && message.keys.length)
                    for (let i = 0; i < message.keys.length; ++i)
                        writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.keys[i]);
                if ($has(message, "commitment") && message.commitment.length)
                    writer.uint32(/* id 3, wireType 2 =*/26).bytes(message.commitment);
                return writer;
            };

            return Envelope;
        })();

        v1.KeyUse = (function() {
            const values = {};
            values["KEY_USE_UNSPECIFIED"] = 0;
            values["KEY_USE_SINGLE"] = 1;
            values["KEY_USE_SHARED"] = 2;
            return values;
        })();

        v1.Header = (function() {

            const Header = {};

            Header.encode = function (message, writer = new $Writer()) {
                if ($has(message, "suite") && message.suite !== 0)
                    writer.uint32(/* id 1, wireType 0 =*/8).uint32(message.suite);
                if ($has(message, "salt") && message.salt.length)
                    writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.salt);
                if ($has(message, "segmentSizeLog2") && message.segmentSizeLog2 !== 0)
                    writer.uint32(/* id 3, wireType 0 =*/24).uint32(message.segmentSizeLog2);
                if ($has(message, "created") && message.created !== 0)
                    writer.uint32(/* id 4, wireType 0 =*/32).uint32(message.created);
                if ($has(message, "keyUse") && message.keyUse !== 0)
                    writer.uint32(/* id 5, wireType 0 =*/40).uint32(message.keyUse);
                if (message.contextNames != null && message.contextNames.length)
                    for (let i = 0; i < message.contextNames.length; ++i)
                        writer.uint32(/* id 6, wireType 2 =*/50).string(message.contextNames[i]);
                if ($has(message, "contentType") && message.contentType !== "")
                    writer.uint32(/* id 7, wireType 2 =*/58).string(message.contentType);
                if (message.metadata != null && message.metadata.length)
                    for (let i = 0; i < message.metadata.length; ++i)
                        $root.bulla.v1.Pair.encode(message.metadata[i], writer.uint32(/* id 8, wireType 2 =*/66).fork()).ldelim();
                return writer;
            };

            return Header;
        })();

        v1.Pair = (function() {

            const Pair = {};

            Pair.encode = function (message, writer = new $Writer()) {
                if ($has(message, "name") && message.name !== "")
                    writer.uint32(/* id 1, wireType 2 =*/10).string(message.name);
                if ($has(message, "value") && message.value !== "")
                    writer.uint32(/* id 2, wireType 2 =*/18).string(message.value);
                return writer;
            };

            return Pair;
        })();

        v1.WrappedKey = (function() {

            const WrappedKey = {};

            WrappedKey.encode = function (message, writer = new $Writer()) {
                if ($has(message, "keyId") && message.keyId !== "")
                    writer.uint32(/* id 1, wireType 2 =*/10).string(message.keyId);
                if ($has(message, "version") && message.version !== 0)
                    writer.uint32(/* id 2, wireType 0 =*/16).uint32(message.version);
                if ($has(message, "serviceId") && message.serviceId !== "")
                    writer.uint32(/* id 3, wireType 2 =*/26).string(message.serviceId);
                if (message.keyContext != null && message.keyContext.length)
                    for (let i = 0; i < message.keyContext.length; ++i)
                        $root.bulla.v1.Pair.encode(message.keyContext[i], writer.uint32(/* id 4, wireType 2 =*/34).fork()).ldelim();
                if ($has(message, "ecdh"))
                    $root.bulla.v1.Ecdh.encode(message.ecdh, writer.uint32(/* id 16, wireType 2 =*/130).fork()).ldelim();
                if ($has(message, "serviceEcdh"))
                    $root.bulla.v1.Ecdh.encode(message.serviceEcdh, writer.uint32(/* id 17, wireType 2 =*/138).fork()).ldelim();
                if ($has(message, "aes"))
                    $root.bulla.v1.Aes.encode(message.aes, writer.uint32(/* id 18, wireType 2 =*/146).fork()).ldelim();
                if ($has(message, "rsa"))
                    $root.bulla.v1.Rsa.encode(message.rsa, writer.uint32(/* id 19, wireType 2 =*/154).fork()).ldelim();
                if ($has(message, "passphrase"))
                    $root.bulla.v1.Passphrase.encode(message.passphrase, writer.uint32(/* id 20, wireType 2 =*/162).fork()).ldelim();
                if ($has(message, "service"))
                    $root.bulla.v1.Service.encode(message.service, writer.uint32(/* id 21, wireType 2 =*/170).fork()).ldelim();
                return writer;
            };

            return WrappedKey;
        })();

        v1.Ecdh = (function() {

            const Ecdh = {};

            Ecdh.encode = function (message, writer = new $Writer()) {
                if ($has(message, "ephemeralKey") && message.ephemeralKey.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.ephemeralKey);
                if ($has(message, "sealedKey") && message.sealedKey.length)
                    writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.sealedKey);
                return writer;
            };

            return Ecdh;
        })();

        v1.Aes = (function() {

            const Aes = {};

            Aes.encode = function (message, writer = new $Writer()) {
                if ($has(message, "salt") && message.salt.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.salt);
                if ($has(message, "sealedKey") && message.sealedKey.length)
                    writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.sealedKey);
                return writer;
            };

            return Aes;
        })();

        v1.Rsa = (function() {

            const Rsa = {};

            Rsa.encode = function (message, writer = new $Writer()) {
                if ($has(message, "encryptedKey") && message.encryptedKey.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.encryptedKey);
                return writer;
            };

            return Rsa;
        })();

        v1.Passphrase = (function() {

            const Passphrase = {};

            Passphrase.encode = function (message, writer = new $Writer()) {
                if ($has(message, "salt") && message.salt.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.salt);
                if ($has(message, "iterations") && message.iterations !== 0)
                    writer.uint32(/* id 2, wireType 0 =*/16).uint32(message.iterations);
                if ($has(message, "sealedKey") && message.sealedKey.length)
                    writer.uint32(/* id 3, wireType 2 =*/26).bytes(message.sealedKey);
                return writer;
            };

            return Passphrase;
        })();

        v1.Service = (function() {

            const Service = {};

            Service.encode = function (message, writer = new $Writer()) {
                if ($has(message, "opaque") && message.opaque.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.opaque);
                return writer;
            };

            return Service;
        })();

        return v1;
    })();

    return bulla;
})();

export {
  $root as default
};
