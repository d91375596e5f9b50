// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

interface IERC20 {
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// Pays for the gas of operations, and takes tokens for it where that is agreed. What it agrees to is
/// decided outside the EVM; only the entry point may make it move tokens.
contract SandboxPaymaster {
    address private constant ENTRY_POINT = 0x0000000071727De22E5E9d8BAf0edAc6f37da032;

    modifier onlyEntryPoint() {
        require(msg.sender == ENTRY_POINT, "SandboxPaymaster: not the entry point");
        _;
    }

    function take(IERC20 token, address from, uint256 value) external onlyEntryPoint {
        require(token.transferFrom(from, address(this), value), "SandboxPaymaster: not paid");
    }

    function giveBack(IERC20 token, address to, uint256 value) external onlyEntryPoint {
        require(token.transfer(to, value), "SandboxPaymaster: not given back");
    }
}
