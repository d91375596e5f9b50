// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// What stands at the address of every account of the sandbox. It executes as Modular Account v2
/// does; who may ask for it is judged outside the EVM, before the entry point calls.
contract SandboxAccount {
    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    address private constant ENTRY_POINT = 0x0000000071727De22E5E9d8BAf0edAc6f37da032;
    address private constant BUNDLER = 0x00000000000000000000000000000000000B0B07;

    /// Whose signatures are the account's; the sandbox keeps it up to date.
    address private _owner;

    /// Read and taken out of the logs by the sandbox, which carries the call out (installs,
    /// uninstalls, a new owner) if the transaction stands.
    event AccountFunction(bytes data);

    error ValidationFunctionMissing(bytes4 selector);

    receive() external payable {}

    fallback() external payable {
        if (msg.sender != ENTRY_POINT && msg.sender != address(this)) {
            revert ValidationFunctionMissing(msg.sig);
        }
        emit AccountFunction(msg.data);
    }

    function execute(address target, uint256 value, bytes calldata data)
        external
        payable
        returns (bytes memory)
    {
        _onlyEntryPoint();
        return _call(target, value, data);
    }

    function executeBatch(Call[] calldata calls) external payable returns (bytes[] memory results) {
        _onlyEntryPoint();
        results = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            results[i] = _call(calls[i].target, calls[i].value, calls[i].data);
        }
    }

    /// The account's part of `validateUserOp`: pay what its deposit lacks.
    function payPrefund(uint256 missing) external {
        _onlyEntryPoint();
        (bool paid,) = msg.sender.call{value: missing}("");
        require(paid, "AA21 didn't pay prefund");
    }

    function setOwner(address owner) external {
        if (msg.sender != BUNDLER) revert ValidationFunctionMissing(msg.sig);
        _owner = owner;
    }

    /// ERC-1271: 0x00, entity 0, 0xff, 0x00, then the owner's 65 bytes over the replay-safe hash.
    /// Session keys never sign for the account: their installs lack that flag.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (signature.length != 72 || bytes7(signature) != 0x0000000000ff00) return 0xffffffff;
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(uint256 chainId,address verifyingContract)"),
                block.chainid,
                address(this)
            )
        );
        bytes32 safe = keccak256(abi.encode(keccak256("ReplaySafeHash(bytes32 hash)"), hash));
        address signer = ecrecover(
            keccak256(abi.encodePacked("\x19\x01", domain, safe)),
            uint8(signature[71]),
            bytes32(signature[7:39]),
            bytes32(signature[39:71])
        );
        return signer != address(0) && signer == _owner ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }

    function onERC721Received(address, address, uint256, bytes calldata)
        external
        pure
        returns (bytes4)
    {
        return 0x150b7a02;
    }

    function onERC1155Received(address, address, uint256, uint256, bytes calldata)
        external
        pure
        returns (bytes4)
    {
        return 0xf23a6e61;
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x150b7a02 || id == 0x4e2312e0;
    }

    function _onlyEntryPoint() private view {
        if (msg.sender != ENTRY_POINT) revert ValidationFunctionMissing(msg.sig);
    }

    function _call(address target, uint256 value, bytes calldata data)
        private
        returns (bytes memory result)
    {
        bool success;
        (success, result) = target.call{value: value}(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
    }
}
