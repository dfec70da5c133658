/*eslint-disable block-scoped-var, id-length, no-control-regex, no-magic-numbers, no-mixed-operators, no-prototype-builtins, no-redeclare, no-shadow, no-var, sort-vars, default-case, jsdoc/require-param*/
import $r from "protobufjs/src/reader.js";
import $w from "protobufjs/src/writer.js";
import $u from "protobufjs/src/util/minimal.js";

// Common aliases
const $Reader = $r, $Writer = $w, $util = $u;
const $Object = $util.global.Object, $undefined = $util.global.undefined, $Error = $util.global.Error, $RangeError = $util.global.RangeError;

// Exported root namespace
const $root = {};

export const bulla = $root.bulla = (() => {

    /**
     * Namespace bulla.
     * @exports bulla
     * @namespace
     */
    const bulla = {};

    bulla.v1 = (function() {

        /**
         * Namespace v1.
         * @memberof bulla
         * @namespace
         */
        const v1 = {};

        v1.Envelope = (function() {

            /**
             * Properties of an Envelope.
             * @typedef {Object} bulla.v1.Envelope.$Properties
             * @property {Uint8Array|null} [header] Envelope header
             * @property {Array.<Uint8Array>|null} [keys] Envelope keys
             * @property {Uint8Array|null} [commitment] Envelope commitment
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of an Envelope.
             * @memberof bulla.v1
             * @interface IEnvelope
             * @augments bulla.v1.Envelope.$Properties
             * @deprecated Use bulla.v1.Envelope.$Properties instead.
             */

            /**
             * Shape of an Envelope.
             * @typedef {bulla.v1.Envelope.$Properties} bulla.v1.Envelope.$Shape
             */

            /**
             * Constructs a new Envelope.
             * @memberof bulla.v1
             * @classdesc Represents an Envelope.
             * @constructor
             * @param {bulla.v1.Envelope.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Envelope = function (properties) {
                this.keys = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Envelope header.
             * @member {Uint8Array} header
             * @memberof bulla.v1.Envelope
             * @instance
             */
            Envelope.prototype.header = new Uint8Array(0);

            /**
             * Envelope keys.
             * @member {Array.<Uint8Array>} keys
             * @memberof bulla.v1.Envelope
             * @instance
             */
            Envelope.prototype.keys = $util.emptyArray;

            /**
             * Envelope commitment.
             * @member {Uint8Array} commitment
             * @memberof bulla.v1.Envelope
             * @instance
             */
            Envelope.prototype.commitment = new Uint8Array(0);

            /**
             * Encodes the specified Envelope message. Does not implicitly {@link bulla.v1.Envelope.verify|verify} messages.
             * @function encode
             * @memberof bulla.v1.Envelope
             * @static
             * @param {bulla.v1.Envelope.$Properties} message Envelope message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Envelope.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = new $Writer();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.header != null && $Object.hasOwnProperty.call(message, "header") && message.header.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.header);
                if (message.keys != null && message.keys.length)
                    for (let i = 0; i < message.keys.length; ++i)
                        writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.keys[i]);
                if (message.commitment != null && $Object.hasOwnProperty.call(message, "commitment") && message.commitment.length)
                    writer.uint32(/* id 3, wireType 2 =*/26).bytes(message.commitment);
                return writer;
            };

            /**
             * Decodes an Envelope message from the specified reader or buffer.
             * @function decode
             * @memberof bulla.v1.Envelope
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {bulla.v1.Envelope & bulla.v1.Envelope.$Shape} Envelope
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Envelope.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = new $Reader(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.bulla.v1.Envelope();
                while (reader.pos < end) {
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.header = value;
                            else
                                delete message.header;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if (!(message.keys && message.keys.length))
                                message.keys = [];
                            message.keys.push(reader.bytes());
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.commitment = value;
                            else
                                delete message.commitment;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Envelope;
        })();

        /**
         * KeyUse enum.
         * @name bulla.v1.KeyUse
         * @enum {number}
         * @property {number} KEY_USE_UNSPECIFIED=0 KEY_USE_UNSPECIFIED value
         * @property {number} KEY_USE_SINGLE=1 KEY_USE_SINGLE value
         * @property {number} KEY_USE_SHARED=2 KEY_USE_SHARED value
         */
        v1.KeyUse = (function() {
            const valuesById = $Object.create(null), values = $Object.create(valuesById);
            values[valuesById[0] = "KEY_USE_UNSPECIFIED"] = 0;
            values[valuesById[1] = "KEY_USE_SINGLE"] = 1;
            values[valuesById[2] = "KEY_USE_SHARED"] = 2;
            return values;
        })();

        v1.Header = (function() {

            /**
             * Properties of a Header.
             * @typedef {Object} bulla.v1.Header.$Properties
             * @property {number|null} [suite] Header suite
             * @property {Uint8Array|null} [salt] Header salt
             * @property {number|null} [segmentSizeLog2] Header segmentSizeLog2
             * @property {number|null} [created] Header created
             * @property {bulla.v1.KeyUse|null} [keyUse] Header keyUse
             * @property {Array.<string>|null} [contextNames] Header contextNames
             * @property {string|null} [contentType] Header contentType
             * @property {Array.<bulla.v1.Pair.$Properties>|null} [metadata] Header metadata
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a Header.
             * @memberof bulla.v1
             * @interface IHeader
             * @augments bulla.v1.Header.$Properties
             * @deprecated Use bulla.v1.Header.$Properties instead.
             */

            /**
             * Shape of a Header.
             * @typedef {bulla.v1.Header.$Properties} bulla.v1.Header.$Shape
             */

            /**
             * Constructs a new Header.
             * @memberof bulla.v1
             * @classdesc Represents a Header.
             * @constructor
             * @param {bulla.v1.Header.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Header = function (properties) {
                this.contextNames = [];
                this.metadata = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Header suite.
             * @member {number} suite
             * @memberof bulla.v1.Header
             * @instance
             */
            Header.prototype.suite = 0;

            /**
             * Header salt.
             * @member {Uint8Array} salt
             * @memberof bulla.v1.Header
             * @instance
             */
            Header.prototype.salt = new Uint8Array(0);

            /**
             * Header segmentSizeLog2.
             * @member {number} segmentSizeLog2
             * @memberof bulla.v1.Header
             * @instance
             */
            Header.prototype.segmentSizeLog2 = 0;

            /**
             * Header created.
             * @member {number} created
             * @memberof bulla.v1.Header
             * @instance
             */
            Header.prototype.created = 0;

            /**
             * Header keyUse.
             * @member {bulla.v1.KeyUse} keyUse
             * @memberof bulla.v1.Header
             * @instance
             */
            Header.prototype.keyUse = 0;

            /**
             * Header contextNames.
             * @member {Array.<string>} contextNames
             * @memberof bulla.v1.Header
             * @instance
             */
            Header.prototype.contextNames = $util.emptyArray;

            /**
             * Header contentType.
             * @member {string} contentType
             * @memberof bulla.v1.Header
             * @instance
             */
            Header.prototype.contentType = "";

            /**
             * Header metadata.
             * @member {Array.<bulla.v1.Pair.$Properties>} metadata
             * @memberof bulla.v1.Header
             * @instance
             */
            Header.prototype.metadata = $util.emptyArray;

            /**
             * Encodes the specified Header message. Does not implicitly {@link bulla.v1.Header.verify|verify} messages.
             * @function encode
             * @memberof bulla.v1.Header
             * @static
             * @param {bulla.v1.Header.$Properties} message Header message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Header.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = new $Writer();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.suite != null && $Object.hasOwnProperty.call(message, "suite") && message.suite !== 0)
                    writer.uint32(/* id 1, wireType 0 =*/8).uint32(message.suite);
                if (message.salt != null && $Object.hasOwnProperty.call(message, "salt") && message.salt.length)
                    writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.salt);
                if (message.segmentSizeLog2 != null && $Object.hasOwnProperty.call(message, "segmentSizeLog2") && message.segmentSizeLog2 !== 0)
                    writer.uint32(/* id 3, wireType 0 =*/24).uint32(message.segmentSizeLog2);
                if (message.created != null && $Object.hasOwnProperty.call(message, "created") && message.created !== 0)
                    writer.uint32(/* id 4, wireType 0 =*/32).uint32(message.created);
                if (message.keyUse != null && $Object.hasOwnProperty.call(message, "keyUse") && message.keyUse !== 0)
                    writer.uint32(/* id 5, wireType 0 =*/40).int32(message.keyUse);
                if (message.contextNames != null && message.contextNames.length)
                    for (let i = 0; i < message.contextNames.length; ++i)
                        writer.uint32(/* id 6, wireType 2 =*/50).string(message.contextNames[i]);
                if (message.contentType != null && $Object.hasOwnProperty.call(message, "contentType") && message.contentType !== "")
                    writer.uint32(/* id 7, wireType 2 =*/58).string(message.contentType);
                if (message.metadata != null && message.metadata.length)
                    for (let i = 0; i < message.metadata.length; ++i)
                        $root.bulla.v1.Pair.encode(message.metadata[i], writer.uint32(/* id 8, wireType 2 =*/66).fork(), _depth + 1).ldelim();
                return writer;
            };

            /**
             * Decodes a Header message from the specified reader or buffer.
             * @function decode
             * @memberof bulla.v1.Header
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {bulla.v1.Header & bulla.v1.Header.$Shape} Header
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Header.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = new $Reader(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.bulla.v1.Header();
                while (reader.pos < end) {
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.uint32())
                                message.suite = value;
                            else
                                delete message.suite;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.salt = value;
                            else
                                delete message.salt;
                            continue;
                        }
                    case 3: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.uint32())
                                message.segmentSizeLog2 = value;
                            else
                                delete message.segmentSizeLog2;
                            continue;
                        }
                    case 4: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.uint32())
                                message.created = value;
                            else
                                delete message.created;
                            continue;
                        }
                    case 5: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.int32())
                                message.keyUse = value;
                            else
                                delete message.keyUse;
                            continue;
                        }
                    case 6: {
                            if (wireType !== 2)
                                break;
                            if (!(message.contextNames && message.contextNames.length))
                                message.contextNames = [];
                            message.contextNames.push(reader.stringVerify());
                            continue;
                        }
                    case 7: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.stringVerify()).length)
                                message.contentType = value;
                            else
                                delete message.contentType;
                            continue;
                        }
                    case 8: {
                            if (wireType !== 2)
                                break;
                            if (!(message.metadata && message.metadata.length))
                                message.metadata = [];
                            message.metadata.push($root.bulla.v1.Pair.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Header;
        })();

        v1.Pair = (function() {

            /**
             * Properties of a Pair.
             * @typedef {Object} bulla.v1.Pair.$Properties
             * @property {string|null} [name] Pair name
             * @property {string|null} [value] Pair value
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a Pair.
             * @memberof bulla.v1
             * @interface IPair
             * @augments bulla.v1.Pair.$Properties
             * @deprecated Use bulla.v1.Pair.$Properties instead.
             */

            /**
             * Shape of a Pair.
             * @typedef {bulla.v1.Pair.$Properties} bulla.v1.Pair.$Shape
             */

            /**
             * Constructs a new Pair.
             * @memberof bulla.v1
             * @classdesc Represents a Pair.
             * @constructor
             * @param {bulla.v1.Pair.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Pair = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Pair name.
             * @member {string} name
             * @memberof bulla.v1.Pair
             * @instance
             */
            Pair.prototype.name = "";

            /**
             * Pair value.
             * @member {string} value
             * @memberof bulla.v1.Pair
             * @instance
             */
            Pair.prototype.value = "";

            /**
             * Encodes the specified Pair message. Does not implicitly {@link bulla.v1.Pair.verify|verify} messages.
             * @function encode
             * @memberof bulla.v1.Pair
             * @static
             * @param {bulla.v1.Pair.$Properties} message Pair message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Pair.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = new $Writer();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.name != null && $Object.hasOwnProperty.call(message, "name") && message.name !== "")
                    writer.uint32(/* id 1, wireType 2 =*/10).string(message.name);
                if (message.value != null && $Object.hasOwnProperty.call(message, "value") && message.value !== "")
                    writer.uint32(/* id 2, wireType 2 =*/18).string(message.value);
                return writer;
            };

            /**
             * Decodes a Pair message from the specified reader or buffer.
             * @function decode
             * @memberof bulla.v1.Pair
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {bulla.v1.Pair & bulla.v1.Pair.$Shape} Pair
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Pair.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = new $Reader(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.bulla.v1.Pair();
                while (reader.pos < end) {
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.stringVerify()).length)
                                message.name = value;
                            else
                                delete message.name;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.stringVerify()).length)
                                message.value = value;
                            else
                                delete message.value;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Pair;
        })();

        v1.WrappedKey = (function() {

            /**
             * Properties of a WrappedKey.
             * @typedef {Object} bulla.v1.WrappedKey.$Properties
             * @property {string|null} [keyId] WrappedKey keyId
             * @property {number|null} [version] WrappedKey version
             * @property {string|null} [serviceId] WrappedKey serviceId
             * @property {Array.<bulla.v1.Pair.$Properties>|null} [keyContext] WrappedKey keyContext
             * @property {bulla.v1.Ecdh.$Properties|null} [ecdh] WrappedKey ecdh
             * @property {bulla.v1.Ecdh.$Properties|null} [serviceEcdh] WrappedKey serviceEcdh
             * @property {bulla.v1.Aes.$Properties|null} [aes] WrappedKey aes
             * @property {bulla.v1.Rsa.$Properties|null} [rsa] WrappedKey rsa
             * @property {bulla.v1.Passphrase.$Properties|null} [passphrase] WrappedKey passphrase
             * @property {bulla.v1.Service.$Properties|null} [service] WrappedKey service
             * @property {"ecdh"|"serviceEcdh"|"aes"|"rsa"|"passphrase"|"service"} [method] WrappedKey method
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a WrappedKey.
             * @memberof bulla.v1
             * @interface IWrappedKey
             * @augments bulla.v1.WrappedKey.$Properties
             * @deprecated Use bulla.v1.WrappedKey.$Properties instead.
             */

            /**
             * Narrowed shape of a WrappedKey.
             * @typedef {{
             *   keyId?: string|null;
             *   version?: number|null;
             *   serviceId?: string|null;
             *   keyContext?: Array.<bulla.v1.Pair.$Shape>|null;
             *   ecdh?: bulla.v1.Ecdh.$Shape|null;
             *   serviceEcdh?: bulla.v1.Ecdh.$Shape|null;
             *   aes?: bulla.v1.Aes.$Shape|null;
             *   rsa?: bulla.v1.Rsa.$Shape|null;
             *   passphrase?: bulla.v1.Passphrase.$Shape|null;
             *   service?: bulla.v1.Service.$Shape|null;
             *   $unknowns?: Array.<Uint8Array>;
             * } & (
             *   ({ method?: undefined; ecdh?: null; serviceEcdh?: null; aes?: null; rsa?: null; passphrase?: null; service?: null }|{ method?: "ecdh"; ecdh: bulla.v1.Ecdh.$Shape; serviceEcdh?: null; aes?: null; rsa?: null; passphrase?: null; service?: null }|{ method?: "serviceEcdh"; ecdh?: null; serviceEcdh: bulla.v1.Ecdh.$Shape; aes?: null; rsa?: null; passphrase?: null; service?: null }|{ method?: "aes"; ecdh?: null; serviceEcdh?: null; aes: bulla.v1.Aes.$Shape; rsa?: null; passphrase?: null; service?: null }|{ method?: "rsa"; ecdh?: null; serviceEcdh?: null; aes?: null; rsa: bulla.v1.Rsa.$Shape; passphrase?: null; service?: null }|{ method?: "passphrase"; ecdh?: null; serviceEcdh?: null; aes?: null; rsa?: null; passphrase: bulla.v1.Passphrase.$Shape; service?: null }|{ method?: "service"; ecdh?: null; serviceEcdh?: null; aes?: null; rsa?: null; passphrase?: null; service: bulla.v1.Service.$Shape })
             * )} bulla.v1.WrappedKey.$Shape
             */

            /**
             * Constructs a new WrappedKey.
             * @memberof bulla.v1
             * @classdesc Represents a WrappedKey.
             * @constructor
             * @param {bulla.v1.WrappedKey.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const WrappedKey = function (properties) {
                this.keyContext = [];
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * WrappedKey keyId.
             * @member {string} keyId
             * @memberof bulla.v1.WrappedKey
             * @instance
             */
            WrappedKey.prototype.keyId = "";

            /**
             * WrappedKey version.
             * @member {number} version
             * @memberof bulla.v1.WrappedKey
             * @instance
             */
            WrappedKey.prototype.version = 0;

            /**
             * WrappedKey serviceId.
             * @member {string} serviceId
             * @memberof bulla.v1.WrappedKey
             * @instance
             */
            WrappedKey.prototype.serviceId = "";

            /**
             * WrappedKey keyContext.
             * @member {Array.<bulla.v1.Pair.$Properties>} keyContext
             * @memberof bulla.v1.WrappedKey
             * @instance
             */
            WrappedKey.prototype.keyContext = $util.emptyArray;

            /**
             * WrappedKey ecdh.
             * @member {bulla.v1.Ecdh.$Properties|null|undefined} ecdh
             * @memberof bulla.v1.WrappedKey
             * @instance
             */
            WrappedKey.prototype.ecdh = null;

            /**
             * WrappedKey serviceEcdh.
             * @member {bulla.v1.Ecdh.$Properties|null|undefined} serviceEcdh
             * @memberof bulla.v1.WrappedKey
             * @instance
             */
            WrappedKey.prototype.serviceEcdh = null;

            /**
             * WrappedKey aes.
             * @member {bulla.v1.Aes.$Properties|null|undefined} aes
             * @memberof bulla.v1.WrappedKey
             * @instance
             */
            WrappedKey.prototype.aes = null;

            /**
             * WrappedKey rsa.
             * @member {bulla.v1.Rsa.$Properties|null|undefined} rsa
             * @memberof bulla.v1.WrappedKey
             * @instance
             */
            WrappedKey.prototype.rsa = null;

            /**
             * WrappedKey passphrase.
             * @member {bulla.v1.Passphrase.$Properties|null|undefined} passphrase
             * @memberof bulla.v1.WrappedKey
             * @instance
             */
            WrappedKey.prototype.passphrase = null;

            /**
             * WrappedKey service.
             * @member {bulla.v1.Service.$Properties|null|undefined} service
             * @memberof bulla.v1.WrappedKey
             * @instance
             */
            WrappedKey.prototype.service = null;

            // OneOf field names bound to virtual getters and setters
            let $oneOfFields;

            /**
             * WrappedKey method.
             * @member {"ecdh"|"serviceEcdh"|"aes"|"rsa"|"passphrase"|"service"|undefined} method
             * @memberof bulla.v1.WrappedKey
             * @instance
             */
            $Object.defineProperty(WrappedKey.prototype, "method", {
                get: $util.oneOfGetter($oneOfFields = ["ecdh", "serviceEcdh", "aes", "rsa", "passphrase", "service"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            /**
             * Encodes the specified WrappedKey message. Does not implicitly {@link bulla.v1.WrappedKey.verify|verify} messages.
             * @function encode
             * @memberof bulla.v1.WrappedKey
             * @static
             * @param {bulla.v1.WrappedKey.$Properties} message WrappedKey message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            WrappedKey.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = new $Writer();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.keyId != null && $Object.hasOwnProperty.call(message, "keyId") && message.keyId !== "")
                    writer.uint32(/* id 1, wireType 2 =*/10).string(message.keyId);
                if (message.version != null && $Object.hasOwnProperty.call(message, "version") && message.version !== 0)
                    writer.uint32(/* id 2, wireType 0 =*/16).uint32(message.version);
                if (message.serviceId != null && $Object.hasOwnProperty.call(message, "serviceId") && message.serviceId !== "")
                    writer.uint32(/* id 3, wireType 2 =*/26).string(message.serviceId);
                if (message.keyContext != null && message.keyContext.length)
                    for (let i = 0; i < message.keyContext.length; ++i)
                        $root.bulla.v1.Pair.encode(message.keyContext[i], writer.uint32(/* id 4, wireType 2 =*/34).fork(), _depth + 1).ldelim();
                if (message.ecdh != null && $Object.hasOwnProperty.call(message, "ecdh"))
                    $root.bulla.v1.Ecdh.encode(message.ecdh, writer.uint32(/* id 16, wireType 2 =*/130).fork(), _depth + 1).ldelim();
                if (message.serviceEcdh != null && $Object.hasOwnProperty.call(message, "serviceEcdh"))
                    $root.bulla.v1.Ecdh.encode(message.serviceEcdh, writer.uint32(/* id 17, wireType 2 =*/138).fork(), _depth + 1).ldelim();
                if (message.aes != null && $Object.hasOwnProperty.call(message, "aes"))
                    $root.bulla.v1.Aes.encode(message.aes, writer.uint32(/* id 18, wireType 2 =*/146).fork(), _depth + 1).ldelim();
                if (message.rsa != null && $Object.hasOwnProperty.call(message, "rsa"))
                    $root.bulla.v1.Rsa.encode(message.rsa, writer.uint32(/* id 19, wireType 2 =*/154).fork(), _depth + 1).ldelim();
                if (message.passphrase != null && $Object.hasOwnProperty.call(message, "passphrase"))
                    $root.bulla.v1.Passphrase.encode(message.passphrase, writer.uint32(/* id 20, wireType 2 =*/162).fork(), _depth + 1).ldelim();
                if (message.service != null && $Object.hasOwnProperty.call(message, "service"))
                    $root.bulla.v1.Service.encode(message.service, writer.uint32(/* id 21, wireType 2 =*/170).fork(), _depth + 1).ldelim();
                return writer;
            };

            /**
             * Decodes a WrappedKey message from the specified reader or buffer.
             * @function decode
             * @memberof bulla.v1.WrappedKey
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {bulla.v1.WrappedKey & bulla.v1.WrappedKey.$Shape} WrappedKey
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            WrappedKey.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = new $Reader(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.bulla.v1.WrappedKey();
                while (reader.pos < end) {
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.stringVerify()).length)
                                message.keyId = value;
                            else
                                delete message.keyId;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.uint32())
                                message.version = value;
                            else
                                delete message.version;
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.stringVerify()).length)
                                message.serviceId = value;
                            else
                                delete message.serviceId;
                            continue;
                        }
                    case 4: {
                            if (wireType !== 2)
                                break;
                            if (!(message.keyContext && message.keyContext.length))
                                message.keyContext = [];
                            message.keyContext.push($root.bulla.v1.Pair.decode(reader, reader.size(), $undefined, _depth + 1));
                            continue;
                        }
                    case 16: {
                            if (wireType !== 2)
                                break;
                            message.ecdh = $root.bulla.v1.Ecdh.decode(reader, reader.size(), $undefined, _depth + 1, message.ecdh);
                            message.method = "ecdh";
                            continue;
                        }
                    case 17: {
                            if (wireType !== 2)
                                break;
                            message.serviceEcdh = $root.bulla.v1.Ecdh.decode(reader, reader.size(), $undefined, _depth + 1, message.serviceEcdh);
                            message.method = "serviceEcdh";
                            continue;
                        }
                    case 18: {
                            if (wireType !== 2)
                                break;
                            message.aes = $root.bulla.v1.Aes.decode(reader, reader.size(), $undefined, _depth + 1, message.aes);
                            message.method = "aes";
                            continue;
                        }
                    case 19: {
                            if (wireType !== 2)
                                break;
                            message.rsa = $root.bulla.v1.Rsa.decode(reader, reader.size(), $undefined, _depth + 1, message.rsa);
                            message.method = "rsa";
                            continue;
                        }
                    case 20: {
                            if (wireType !== 2)
                                break;
                            message.passphrase = $root.bulla.v1.Passphrase.decode(reader, reader.size(), $undefined, _depth + 1, message.passphrase);
                            message.method = "passphrase";
                            continue;
                        }
                    case 21: {
                            if (wireType !== 2)
                                break;
                            message.service = $root.bulla.v1.Service.decode(reader, reader.size(), $undefined, _depth + 1, message.service);
                            message.method = "service";
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return WrappedKey;
        })();

        v1.Ecdh = (function() {

            /**
             * Properties of an Ecdh.
             * @typedef {Object} bulla.v1.Ecdh.$Properties
             * @property {Uint8Array|null} [ephemeralKey] Ecdh ephemeralKey
             * @property {Uint8Array|null} [sealedKey] Ecdh sealedKey
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of an Ecdh.
             * @memberof bulla.v1
             * @interface IEcdh
             * @augments bulla.v1.Ecdh.$Properties
             * @deprecated Use bulla.v1.Ecdh.$Properties instead.
             */

            /**
             * Shape of an Ecdh.
             * @typedef {bulla.v1.Ecdh.$Properties} bulla.v1.Ecdh.$Shape
             */

            /**
             * Constructs a new Ecdh.
             * @memberof bulla.v1
             * @classdesc Represents an Ecdh.
             * @constructor
             * @param {bulla.v1.Ecdh.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Ecdh = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Ecdh ephemeralKey.
             * @member {Uint8Array} ephemeralKey
             * @memberof bulla.v1.Ecdh
             * @instance
             */
            Ecdh.prototype.ephemeralKey = new Uint8Array(0);

            /**
             * Ecdh sealedKey.
             * @member {Uint8Array} sealedKey
             * @memberof bulla.v1.Ecdh
             * @instance
             */
            Ecdh.prototype.sealedKey = new Uint8Array(0);

            /**
             * Encodes the specified Ecdh message. Does not implicitly {@link bulla.v1.Ecdh.verify|verify} messages.
             * @function encode
             * @memberof bulla.v1.Ecdh
             * @static
             * @param {bulla.v1.Ecdh.$Properties} message Ecdh message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Ecdh.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = new $Writer();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.ephemeralKey != null && $Object.hasOwnProperty.call(message, "ephemeralKey") && message.ephemeralKey.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.ephemeralKey);
                if (message.sealedKey != null && $Object.hasOwnProperty.call(message, "sealedKey") && message.sealedKey.length)
                    writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.sealedKey);
                return writer;
            };

            /**
             * Decodes an Ecdh message from the specified reader or buffer.
             * @function decode
             * @memberof bulla.v1.Ecdh
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {bulla.v1.Ecdh & bulla.v1.Ecdh.$Shape} Ecdh
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Ecdh.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = new $Reader(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.bulla.v1.Ecdh();
                while (reader.pos < end) {
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.ephemeralKey = value;
                            else
                                delete message.ephemeralKey;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.sealedKey = value;
                            else
                                delete message.sealedKey;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Ecdh;
        })();

        v1.Aes = (function() {

            /**
             * Properties of an Aes.
             * @typedef {Object} bulla.v1.Aes.$Properties
             * @property {Uint8Array|null} [salt] Aes salt
             * @property {Uint8Array|null} [sealedKey] Aes sealedKey
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of an Aes.
             * @memberof bulla.v1
             * @interface IAes
             * @augments bulla.v1.Aes.$Properties
             * @deprecated Use bulla.v1.Aes.$Properties instead.
             */

            /**
             * Shape of an Aes.
             * @typedef {bulla.v1.Aes.$Properties} bulla.v1.Aes.$Shape
             */

            /**
             * Constructs a new Aes.
             * @memberof bulla.v1
             * @classdesc Represents an Aes.
             * @constructor
             * @param {bulla.v1.Aes.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Aes = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Aes salt.
             * @member {Uint8Array} salt
             * @memberof bulla.v1.Aes
             * @instance
             */
            Aes.prototype.salt = new Uint8Array(0);

            /**
             * Aes sealedKey.
             * @member {Uint8Array} sealedKey
             * @memberof bulla.v1.Aes
             * @instance
             */
            Aes.prototype.sealedKey = new Uint8Array(0);

            /**
             * Encodes the specified Aes message. Does not implicitly {@link bulla.v1.Aes.verify|verify} messages.
             * @function encode
             * @memberof bulla.v1.Aes
             * @static
             * @param {bulla.v1.Aes.$Properties} message Aes message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Aes.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = new $Writer();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.salt != null && $Object.hasOwnProperty.call(message, "salt") && message.salt.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.salt);
                if (message.sealedKey != null && $Object.hasOwnProperty.call(message, "sealedKey") && message.sealedKey.length)
                    writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.sealedKey);
                return writer;
            };

            /**
             * Decodes an Aes message from the specified reader or buffer.
             * @function decode
             * @memberof bulla.v1.Aes
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {bulla.v1.Aes & bulla.v1.Aes.$Shape} Aes
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Aes.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = new $Reader(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.bulla.v1.Aes();
                while (reader.pos < end) {
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.salt = value;
                            else
                                delete message.salt;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.sealedKey = value;
                            else
                                delete message.sealedKey;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Aes;
        })();

        v1.Rsa = (function() {

            /**
             * Properties of a Rsa.
             * @typedef {Object} bulla.v1.Rsa.$Properties
             * @property {Uint8Array|null} [encryptedKey] Rsa encryptedKey
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a Rsa.
             * @memberof bulla.v1
             * @interface IRsa
             * @augments bulla.v1.Rsa.$Properties
             * @deprecated Use bulla.v1.Rsa.$Properties instead.
             */

            /**
             * Shape of a Rsa.
             * @typedef {bulla.v1.Rsa.$Properties} bulla.v1.Rsa.$Shape
             */

            /**
             * Constructs a new Rsa.
             * @memberof bulla.v1
             * @classdesc Represents a Rsa.
             * @constructor
             * @param {bulla.v1.Rsa.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Rsa = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Rsa encryptedKey.
             * @member {Uint8Array} encryptedKey
             * @memberof bulla.v1.Rsa
             * @instance
             */
            Rsa.prototype.encryptedKey = new Uint8Array(0);

            /**
             * Encodes the specified Rsa message. Does not implicitly {@link bulla.v1.Rsa.verify|verify} messages.
             * @function encode
             * @memberof bulla.v1.Rsa
             * @static
             * @param {bulla.v1.Rsa.$Properties} message Rsa message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Rsa.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = new $Writer();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.encryptedKey != null && $Object.hasOwnProperty.call(message, "encryptedKey") && message.encryptedKey.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.encryptedKey);
                return writer;
            };

            /**
             * Decodes a Rsa message from the specified reader or buffer.
             * @function decode
             * @memberof bulla.v1.Rsa
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {bulla.v1.Rsa & bulla.v1.Rsa.$Shape} Rsa
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Rsa.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = new $Reader(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.bulla.v1.Rsa();
                while (reader.pos < end) {
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.encryptedKey = value;
                            else
                                delete message.encryptedKey;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Rsa;
        })();

        v1.Passphrase = (function() {

            /**
             * Properties of a Passphrase.
             * @typedef {Object} bulla.v1.Passphrase.$Properties
             * @property {Uint8Array|null} [salt] Passphrase salt
             * @property {number|null} [iterations] Passphrase iterations
             * @property {Uint8Array|null} [sealedKey] Passphrase sealedKey
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a Passphrase.
             * @memberof bulla.v1
             * @interface IPassphrase
             * @augments bulla.v1.Passphrase.$Properties
             * @deprecated Use bulla.v1.Passphrase.$Properties instead.
             */

            /**
             * Shape of a Passphrase.
             * @typedef {bulla.v1.Passphrase.$Properties} bulla.v1.Passphrase.$Shape
             */

            /**
             * Constructs a new Passphrase.
             * @memberof bulla.v1
             * @classdesc Represents a Passphrase.
             * @constructor
             * @param {bulla.v1.Passphrase.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Passphrase = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Passphrase salt.
             * @member {Uint8Array} salt
             * @memberof bulla.v1.Passphrase
             * @instance
             */
            Passphrase.prototype.salt = new Uint8Array(0);

            /**
             * Passphrase iterations.
             * @member {number} iterations
             * @memberof bulla.v1.Passphrase
             * @instance
             */
            Passphrase.prototype.iterations = 0;

            /**
             * Passphrase sealedKey.
             * @member {Uint8Array} sealedKey
             * @memberof bulla.v1.Passphrase
             * @instance
             */
            Passphrase.prototype.sealedKey = new Uint8Array(0);

            /**
             * Encodes the specified Passphrase message. Does not implicitly {@link bulla.v1.Passphrase.verify|verify} messages.
             * @function encode
             * @memberof bulla.v1.Passphrase
             * @static
             * @param {bulla.v1.Passphrase.$Properties} message Passphrase message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Passphrase.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = new $Writer();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.salt != null && $Object.hasOwnProperty.call(message, "salt") && message.salt.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.salt);
                if (message.iterations != null && $Object.hasOwnProperty.call(message, "iterations") && message.iterations !== 0)
                    writer.uint32(/* id 2, wireType 0 =*/16).uint32(message.iterations);
                if (message.sealedKey != null && $Object.hasOwnProperty.call(message, "sealedKey") && message.sealedKey.length)
                    writer.uint32(/* id 3, wireType 2 =*/26).bytes(message.sealedKey);
                return writer;
            };

            /**
             * Decodes a Passphrase message from the specified reader or buffer.
             * @function decode
             * @memberof bulla.v1.Passphrase
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {bulla.v1.Passphrase & bulla.v1.Passphrase.$Shape} Passphrase
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Passphrase.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = new $Reader(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.bulla.v1.Passphrase();
                while (reader.pos < end) {
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.salt = value;
                            else
                                delete message.salt;
                            continue;
                        }
                    case 2: {
                            if (wireType !== 0)
                                break;
                            if (value = reader.uint32())
                                message.iterations = value;
                            else
                                delete message.iterations;
                            continue;
                        }
                    case 3: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.sealedKey = value;
                            else
                                delete message.sealedKey;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
            };

            return Passphrase;
        })();

        v1.Service = (function() {

            /**
             * Properties of a Service.
             * @typedef {Object} bulla.v1.Service.$Properties
             * @property {Uint8Array|null} [opaque] Service opaque
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */

            /**
             * Properties of a Service.
             * @memberof bulla.v1
             * @interface IService
             * @augments bulla.v1.Service.$Properties
             * @deprecated Use bulla.v1.Service.$Properties instead.
             */

            /**
             * Shape of a Service.
             * @typedef {bulla.v1.Service.$Properties} bulla.v1.Service.$Shape
             */

            /**
             * Constructs a new Service.
             * @memberof bulla.v1
             * @classdesc Represents a Service.
             * @constructor
             * @param {bulla.v1.Service.$Properties=} [properties] Properties to set
             * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
             */
            const Service = function (properties) {
                if (properties)
                    for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            };

            /**
             * Service opaque.
             * @member {Uint8Array} opaque
             * @memberof bulla.v1.Service
             * @instance
             */
            Service.prototype.opaque = new Uint8Array(0);

            /**
             * Encodes the specified Service message. Does not implicitly {@link bulla.v1.Service.verify|verify} messages.
             * @function encode
             * @memberof bulla.v1.Service
             * @static
             * @param {bulla.v1.Service.$Properties} message Service message or plain object to encode
             * @param {$protobuf.Writer} [writer] Writer to encode to
             * @returns {$protobuf.Writer} Writer
             */
            Service.encode = function (message, writer, _depth) {
                if (!writer)
                    writer = new $Writer();
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $util.recursionLimit)
                    throw $Error("max depth exceeded");
                if (message.opaque != null && $Object.hasOwnProperty.call(message, "opaque") && message.opaque.length)
                    writer.uint32(/* id 1, wireType 2 =*/10).bytes(message.opaque);
                return writer;
            };

            /**
             * Decodes a Service message from the specified reader or buffer.
             * @function decode
             * @memberof bulla.v1.Service
             * @static
             * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
             * @param {number} [length] Message length if known beforehand
             * @returns {bulla.v1.Service & bulla.v1.Service.$Shape} Service
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            Service.decode = function (reader, length, _end, _depth, _target) {
                if (!(reader instanceof $Reader))
                    reader = new $Reader(reader);
                if (_depth === $undefined)
                    _depth = 0;
                if (_depth > $Reader.recursionLimit)
                    throw $Error("max depth exceeded");
                let end, message, value;
                if (length === $undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw $RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = _target || new $root.bulla.v1.Service();
                while (reader.pos < end) {
                    let tag = reader.tag();
                    if (tag === _end) {
                        _end = $undefined;
                        break;
                    }
                    let wireType = tag & 7;
                    switch (tag >>>= 3) {
                    case 1: {
                            if (wireType !== 2)
                                break;
                            if ((value = reader.bytes()).length)
                                message.opaque = value;
                            else
                                delete message.opaque;
                            continue;
                        }
                    }
                    reader.skipType(wireType, _depth, tag);
                }
                if (length !== $undefined) {
                    if (reader.pos !== end)
                        throw $RangeError("index out of range");
                    reader.len = length;
                }
                if (_end !== $undefined)
                    throw $Error("missing end group");
                return message;
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
