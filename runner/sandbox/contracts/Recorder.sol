// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// Stands where the modules, the factory and the implementations of the accounts stand on a real
/// chain. The sandbox reads the calls from the logs, takes them out, and answers reads itself.
contract Recorder {
    event Recorded(address caller, bytes data);

    fallback() external payable {
        emit Recorded(msg.sender, msg.data);
    }
}
