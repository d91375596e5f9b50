// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

interface IPrefund {
    function payPrefund(uint256 missing) external;
}

interface IPaymaster {
    function take(address token, address from, uint256 value) external;
    function giveBack(address token, address to, uint256 value) external;
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
        address token; // zero unless the paymaster takes tokens for the gas
        uint256 tokenRate; // base units for one ether
        uint256 tokenMost; // base units that it takes at most
        uint256 tokenFirst; // 1: it takes them before the calls, and gives the rest back
        bytes permit; // calldata of the token's permit, or nothing
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
    event PostOpRevertReason(
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
        if (op.token != address(0)) _agree(op);
        emit BeforeExecution();

        (success, used, result) = _run(op);
        if (!success && result.length > 0) {
            emit UserOperationRevertReason(op.userOpHash, op.sender, op.nonce, result);
        }
        uint256 gas = _charged(op, used);
        actualGasCost = _cost(op, gas);
        if (op.tokenFirst == 1) {
            IPaymaster(op.paymaster).giveBack(
                op.token, op.sender, op.tokenMost - _tokens(op, actualGasCost)
            );
        }
        balanceOf[payer] += op.prefund - actualGasCost;
        emit UserOperationEvent(
            op.userOpHash, op.sender, op.paymaster, op.nonce, success, actualGasCost, gas
        );
        (bool sent,) = BUNDLER.call{value: actualGasCost}("");
        require(sent, "AA91 failed send to beneficiary");
    }

    /// The calls, and what they cost in tokens: both stand or neither.
    function runAndTake(Operation calldata op) external returns (bool success, bytes memory result) {
        require(msg.sender == address(this), "SandboxEntryPoint: for itself alone");
        uint256 before = gasleft();
        (success, result) = _call(op);
        uint256 cost = _cost(op, _charged(op, before - gasleft()));
        IPaymaster(op.paymaster).take(op.token, op.sender, _tokens(op, cost));
    }

    function _agree(Operation calldata op) private {
        if (op.permit.length > 0) {
            (bool permitted,) = op.token.call(op.permit);
            require(permitted, "AA33 reverted: the permit");
        }
        if (op.tokenFirst == 1) {
            try IPaymaster(op.paymaster).take(op.token, op.sender, op.tokenMost) {}
            catch {
                revert("AA33 reverted: the tokens");
            }
        }
    }

    function _run(Operation calldata op)
        private
        returns (bool success, uint256 used, bytes memory result)
    {
        uint256 before = gasleft();
        if (op.token == address(0) || op.tokenFirst == 1) {
            if (op.refused != 0 || op.data.length == 0) return (op.refused == 0, 0, op.data);
            (success, result) = _call(op);
        } else {
            try this.runAndTake(op) returns (bool stood, bytes memory output) {
                (success, result) = (stood, output);
            } catch (bytes memory reason) {
                emit PostOpRevertReason(op.userOpHash, op.sender, op.nonce, reason);
            }
        }
        used = before - gasleft();
    }

    function _call(Operation calldata op) private returns (bool success, bytes memory result) {
        if (op.refused != 0 || op.data.length == 0) return (op.refused == 0, op.data);
        return op.sender.call{gas: op.callGasLimit}(op.data);
    }

    // Source: EntryPoint v0.7, ten per cent of the call gas that was asked for and not used.
    function _charged(Operation calldata op, uint256 used) private pure returns (uint256 gas) {
        gas = op.fixedGas + used;
        if (used < op.callGasLimit) gas += (op.callGasLimit - used) / 10;
    }

    function _cost(Operation calldata op, uint256 gas) private pure returns (uint256 cost) {
        cost = gas * op.gasPrice;
        if (cost > op.prefund) cost = op.prefund;
    }

    function _tokens(Operation calldata op, uint256 cost) private pure returns (uint256 tokens) {
        tokens = (cost * op.tokenRate + 1 ether - 1) / 1 ether;
        if (tokens > op.tokenMost) tokens = op.tokenMost;
    }
}
