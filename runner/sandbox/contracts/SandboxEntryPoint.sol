// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

interface IPrefund {
    function payPrefund(uint256 missing) external;
}

/// The part of EntryPoint v0.7 that concerns money, nonces and events. Validation is done outside
/// the EVM; only the sandbox's bundler may hand in operations.
contract SandboxEntryPoint {
    struct Operation {
        bytes32 userOpHash;
        address sender;
        uint256 nonce;
        address factory; // zero unless this operation deploys the account
        address paymaster;
        uint256 prefund; // all gas fields x maxFeePerGas
        uint256 gasPrice; // what a unit of gas costs now
        uint256 fixedGas; // gas of validation and of the bundle
        uint256 callGasLimit;
        uint256 refused; // 1: an execution hook refused, `data` is its revert data
        bytes data;
    }

    address private constant BUNDLER = 0x00000000000000000000000000000000000B0B07;

    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(uint192 => uint256)) public nonceSequenceNumber;

    event UserOperationEvent(
        bytes32 indexed userOpHash,
        address indexed sender,
        address indexed paymaster,
        uint256 nonce,
        bool success,
        uint256 actualGasCost,
        uint256 actualGasUsed
    );
    event UserOperationRevertReason(
        bytes32 indexed userOpHash, address indexed sender, uint256 nonce, bytes revertReason
    );
    event AccountDeployed(
        bytes32 indexed userOpHash, address indexed sender, address factory, address paymaster
    );
    event BeforeExecution();
    event Deposited(address indexed account, uint256 totalDeposit);
    event Withdrawn(address indexed account, address withdrawAddress, uint256 amount);
    /// Read and taken out of the logs by the sandbox, which keeps the history of nonces.
    event NonceIncremented(address sender, uint192 key);

    receive() external payable {
        depositTo(msg.sender);
    }

    function depositTo(address account) public payable {
        balanceOf[account] += msg.value;
        emit Deposited(account, balanceOf[account]);
    }

    function withdrawTo(address payable to, uint256 amount) external {
        require(balanceOf[msg.sender] >= amount, "Withdraw amount too large");
        balanceOf[msg.sender] -= amount;
        emit Withdrawn(msg.sender, to, amount);
        (bool sent,) = to.call{value: amount}("");
        require(sent, "failed to withdraw");
    }

    function getNonce(address sender, uint192 key) external view returns (uint256) {
        return nonceSequenceNumber[sender][key] | (uint256(key) << 64);
    }

    function incrementNonce(uint192 key) external {
        nonceSequenceNumber[msg.sender][key]++;
        emit NonceIncremented(msg.sender, key);
    }

    function handleOp(Operation calldata op)
        external
        returns (bool success, uint256 used, uint256 actualGasCost, bytes memory result)
    {
        require(msg.sender == BUNDLER, "SandboxEntryPoint: not the bundler");
        require(
            nonceSequenceNumber[op.sender][uint192(op.nonce >> 64)]++ == uint64(op.nonce),
            "AA25 invalid account nonce"
        );
        if (op.factory != address(0)) {
            emit AccountDeployed(op.userOpHash, op.sender, op.factory, op.paymaster);
        }
        address payer = op.paymaster == address(0) ? op.sender : op.paymaster;
        if (payer == op.sender && balanceOf[payer] < op.prefund) {
            IPrefund(op.sender).payPrefund(op.prefund - balanceOf[payer]);
        }
        require(balanceOf[payer] >= op.prefund, "AA31 paymaster deposit too low");
        balanceOf[payer] -= op.prefund;
        emit BeforeExecution();

        (success, used, result) = _run(op);
        if (!success && result.length > 0) {
            emit UserOperationRevertReason(op.userOpHash, op.sender, op.nonce, result);
        }
        uint256 gas = op.fixedGas + used;
        // Source: EntryPoint v0.7, ten per cent of the call gas that was asked for and not used.
        if (used < op.callGasLimit) gas += (op.callGasLimit - used) / 10;
        actualGasCost = gas * op.gasPrice;
        if (actualGasCost > op.prefund) actualGasCost = op.prefund;
        balanceOf[payer] += op.prefund - actualGasCost;
        emit UserOperationEvent(
            op.userOpHash, op.sender, op.paymaster, op.nonce, success, actualGasCost, gas
        );
        (bool sent,) = BUNDLER.call{value: actualGasCost}("");
        require(sent, "AA91 failed send to beneficiary");
    }

    function _run(Operation calldata op)
        private
        returns (bool success, uint256 used, bytes memory result)
    {
        if (op.refused != 0) return (false, 0, op.data);
        if (op.data.length == 0) return (true, 0, "");
        uint256 before = gasleft();
        (success, result) = op.sender.call{gas: op.callGasLimit}(op.data);
        used = before - gasleft();
    }
}
