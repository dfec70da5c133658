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
const $nest = (writer, message, name, tag, type) => {
    if ($has(message, name)) type.encode(message[name], writer.uint32(tag).fork()).ldelim();
};

export const bulla = { v1: {} };
const { v1 } = bulla;

        v1.Envelope = { encode: function (message, writer = new $Writer()) {
                $bytes(writer, message, "header", /* id 1, wireType 2 =*/10);
                for (const each of message.keys ?? [])
                        writer.uint32(/* id 2, wireType 2 =*/18).bytes(each);
                $bytes(writer, message, "commitment", /* id 3, wireType 2 =*/26);
                return writer;
            } };

        v1.KeyUse = {
            "KEY_USE_SINGLE": 1,
            "KEY_USE_SHARED": 2,
            };

        v1.Header = { encode: function (message, writer = new $Writer()) {
                $uint32(writer, message, "suite", /* id 1, wireType 0 =*/8);
                $bytes(writer, message, "salt", /* id 2, wireType 2 =*/18);
                $uint32(writer, message, "segmentSizeLog2", /* id 3, wireType 0 =*/24);
                $uint32(writer, message, "created", /* id 4, wireType 0 =*/32);
                $uint32(writer, message, "keyUse", /* id 5, wireType 0 =*/40);
                for (const each of message.contextNames ?? [])
                        writer.uint32(/* id 6, wireType 2 =*/50).bytes($utf8(each));
                $string(writer, message, "contentType", /* id 7, wireType 2 =*/58);
                for (const each of message.metadata ?? [])
                        v1.Pair.encode(each, writer.uint32(/* id 8, wireType 2 =*/66).fork()).ldelim();
                return writer;
            } };

        v1.Pair = { encode: function (message, writer = new $Writer()) {
                $string(writer, message, "name", /* id 1, wireType 2 =*/10);
                $string(writer, message, "value", /* id 2, wireType 2 =*/18);
                return writer;
            } };

        v1.WrappedKey = { encode: function (message, writer = new $Writer()) {
                $string(writer, message, "keyId", /* id 1, wireType 2 =*/10);
                $uint32(writer, message, "version", /* id 2, wireType 0 =*/16);
                $string(writer, message, "serviceId", /* id 3, wireType 2 =*/26);
                for (const each of message.keyContext ?? [])
                        v1.Pair.encode(each, writer.uint32(/* id 4, wireType 2 =*/34).fork()).ldelim();
                $nest(writer, message, "ecdh", /* id 16, wireType 2 =*/130, v1.Ecdh);
                $nest(writer, message, "serviceEcdh", /* id 17, wireType 2 =*/138, v1.Ecdh);
                $nest(writer, message, "aes", /* id 18, wireType 2 =*/146, v1.Aes);
                $nest(writer, message, "rsa", /* id 19, wireType 2 =*/154, v1.Rsa);
                $nest(writer, message, "passphrase", /* id 20, wireType 2 =*/162, v1.Passphrase);
                $nest(writer, message, "service", /* id 21, wireType 2 =*/170, v1.Service);
                return writer;
            } };

        v1.Ecdh = { encode: function (message, writer = new $Writer()) {
                $bytes(writer, message, "ephemeralKey", /* id 1, wireType 2 =*/10);
                $bytes(writer, message, "sealedKey", /* id 2, wireType 2 =*/18);
                return writer;
            } };

        v1.Aes = { encode: function (message, writer = new $Writer()) {
                $bytes(writer, message, "salt", /* id 1, wireType 2 =*/10);
                $bytes(writer, message, "sealedKey", /* id 2, wireType 2 =*/18);
                return writer;
            } };

        v1.Rsa = { encode: function (message, writer = new $Writer()) {
                $bytes(writer, message, "encryptedKey", /* id 1, wireType 2 =*/10);
                return writer;
            } };

        v1.Passphrase = { encode: function (message, writer = new $Writer()) {
                $bytes(writer, message, "salt", /* id 1, wireType 2 =*/10);
                $uint32(writer, message, "iterations", /* id 2, wireType 0 =*/16);
                $bytes(writer, message, "sealedKey", /* id 3, wireType 2 =*/26);
                return writer;
            } };

        v1.Service = { encode: function (message, writer = new $Writer()) {
                $bytes(writer, message, "opaque", /* id 1, wireType 2 =*/10);
                return writer;
            } };


