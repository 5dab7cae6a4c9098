"""Keys and signatures that the official libraries made. Source: ethers 6, re-checked with Python eth-keys; public development keys."""

from zerog.primitives import Account, Address

USER = Account.from_private_key(bytes.fromhex("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"))
SIGNER = Account.from_private_key(bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe512961708279b7e1a8d7d7a3c2b9e3"))
PROVIDER = Address(bytes.fromhex("70997970C51812dc3A010C7d01b50e0d17dc79C8"))

TOKEN_JSON = (
    b'{"address":"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC","provider":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8",'
    b'"timestamp":1700000000000,"expiresAt":1700086400000,"nonce":"1700000000000-abcdefghijk000000","generation":0,"tokenId":255}'
)
TOKEN_DIGEST = bytes.fromhex("aa730a514d34f25cf5e88a8c966b70b5303d9f4332d58e49f3171521f1bcc6dc")
TOKEN_SIGNATURE = bytes.fromhex(
    "04a0626666a50b85fe111c9e70d2e8a42ef6f63473e295c8b9e5c03a8a3148104e58b901b13fddeab3ff3cff55972e9b38045f4cd116ae2ec1a9adb56a02fed41b"
)

ANSWER_TEXT = (
    "548f58d1c36c715b44f0863472074a97c448d5b8d18164b92adf55592b127f86:4062edaf750fb8074e7e83e0c9028c94e32468a8b6f1614774328ef045150f93"
)
ANSWER_SIGNATURE = bytes.fromhex(
    "e2a1fa19fc77b7574514696d6eb1fffb0a97f76c9f8d6a0d3cd4a7805f58272f3377a77e5dd471e7163e4918ec4b1bb488193a95d72bd439c98e247c116046ec1b"
)
TASK_DIGEST = bytes.fromhex("87b409030f00d1bd8f43b6dee8bc64257adb267ef74d45e44dec6f89c001fa7d")
TASK_SIGNATURE = bytes.fromhex(
    "54522bd02565e3527fc0dc7923e1dae8e781ae1b773804c6c0a115d1b3ba29d5240ec2aeb6ce2a8fc79598d76e1b79612d32ab0af165a21d3f0b1866b8d1330d1c"
)
CANCEL_DIGEST = bytes.fromhex("ce270dbb0cac370b527ef9ba2f6827e465c1d4c2850bc0553407d4a8936b50ba")
CANCEL_SIGNATURE = bytes.fromhex(
    "b248c0b196940a80d667b3c6f9d3e2d328b9520b28cec99dce4644e43d50d2da7824429d94c64817616d6eade8c39d64124671bee0c7d6ebaad9b02c7bd6e1c81c"
)
DATASET_DIGEST = bytes.fromhex("90ddea512dddc75de47fd543116ee602e8c7bcf48082234d9e714461ea236c9a")
DATASET_SIGNATURE = bytes.fromhex(
    "a2a7a7f5d4eaaf7f82bde6ee1420e80ddb2efb4d4301d2ddfdcfd41ca1f9b66a52cb7bff788ac6409609d5ce51ec4f139e12c3df611e302e5303c58f59ef1fe51b"
)
DOWNLOAD_DIGEST = bytes.fromhex("489479a2d749b57b0ab9d7d26cf80e0d6f978c0012978ebb14e04f3e740c1efd")
