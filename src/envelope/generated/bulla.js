/*eslint-disable block-scoped-var, id-length, no-control-regex, no-magic-numbers, no-mixed-operators, no-prototype-builtins, no-redeclare, no-shadow, no-var, sort-vars, default-case, jsdoc/require-param*/
import $Writer from "protobufjs/src/writer.js";
import { encodeUtf8 as $utf8 } from "../../lib/utf8.ts";

const $has = (message, name) => message[name] != null && Object.hasOwn(message, name);
const $field = (type, write) => (writer, message, name, tag) => {
    const value = $has(message, name) && message[name];
    if (typeof value === type && (value.length ?? value)) write(writer.uint32(tag), value, name);
};
const $uint32 = $field("number", (writer, value) => writer.uint32(value));
const $bytes = $field("object", (writer, value) => writer.bytes(value));
const $string = $field("string", (writer, value, name) => writer.bytes($utf8(value, name)));

const $root = {};

export const bulla = $root.bulla = (() => {

    const bulla = {};

    bulla.v1 = (function() {

        const v1 = {};

        v1.Envelope = (function() {

            const Envelope = {};

            Envelope.encode = function (message, writer = new $Writer()) {
                $bytes(writer, message, "header", /* id 1, wireType 2 =*/10);
                if (message.keys != null && message.keys.length)
                    for (let i = 0; i < message.keys.length; ++i)
                        writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.keys[i]);
                $bytes(writer, message, "commitment", /* id 3, wireType 2 =*/26);
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
                $uint32(writer, message, "suite", /* id 1, wireType 0 =*/8);
                $bytes(writer, message, "salt", /* id 2, wireType 2 =*/18);
                $uint32(writer, message, "segmentSizeLog2", /* id 3, wireType 0 =*/24);
                $uint32(writer, message, "created", /* id 4, wireType 0 =*/32);
                $uint32(writer, message, "keyUse", /* id 5, wireType 0 =*/40);
                if (message.contextNames != null && message.contextNames.length)
                    for (let i = 0; i < message.contextNames.length; ++i)
                        writer.uint32(/* id 6, wireType 2 =*/50).bytes($utf8(message.contextNames[i]));
                $string(writer, message, "contentType", /* id 7, wireType 2 =*/58);
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
                $string(writer, message, "name", /* id 1, wireType 2 =*/10);
                $string(writer, message, "value", /* id 2, wireType 2 =*/18);
                return writer;
            };

            return Pair;
        })();

        v1.WrappedKey = (function() {

            const WrappedKey = {};

            WrappedKey.encode = function (message, writer = new $Writer()) {
                $string(writer, message, "keyId", /* id 1, wireType 2 =*/10);
                $uint32(writer, message, "version", /* id 2, wireType 0 =*/16);
                $string(writer, message, "serviceId", /* id 3, wireType 2 =*/26);
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
                $bytes(writer, message, "ephemeralKey", /* id 1, wireType 2 =*/10);
                $bytes(writer, message, "sealedKey", /* id 2, wireType 2 =*/18);
                return writer;
            };

            return Ecdh;
        })();

        v1.Aes = (function() {

            const Aes = {};

            Aes.encode = function (message, writer = new $Writer()) {
                $bytes(writer, message, "salt", /* id 1, wireType 2 =*/10);
                $bytes(writer, message, "sealedKey", /* id 2, wireType 2 =*/18);
                return writer;
            };

            return Aes;
        })();

        v1.Rsa = (function() {

            const Rsa = {};

            Rsa.encode = function (message, writer = new $Writer()) {
                $bytes(writer, message, "encryptedKey", /* id 1, wireType 2 =*/10);
                return writer;
            };

            return Rsa;
        })();

        v1.Passphrase = (function() {

            const Passphrase = {};

            Passphrase.encode = function (message, writer = new $Writer()) {
                $bytes(writer, message, "salt", /* id 1, wireType 2 =*/10);
                $uint32(writer, message, "iterations", /* id 2, wireType 0 =*/16);
                $bytes(writer, message, "sealedKey", /* id 3, wireType 2 =*/26);
                return writer;
            };

            return Passphrase;
        })();

        v1.Service = (function() {

            const Service = {};

            Service.encode = function (message, writer = new $Writer()) {
                $bytes(writer, message, "opaque", /* id 1, wireType 2 =*/10);
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
