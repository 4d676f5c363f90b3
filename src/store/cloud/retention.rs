//! Object lock of S3: `PutObjectRetention` in compliance mode, which no one can shorten, the owner of the bucket neither.

use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody};
use object_store::signer::Signer as _;
use sha2::{Digest as _, Sha256};
use ureq::http::{Method, Request};

use super::Cloud;
use crate::moment::Moment;
use crate::store::client::{reason_of, refused};
use crate::store::error::StoreError;

pub(super) fn retain(cloud: &Cloud, name: &str, until: &Moment) -> Result<(), StoreError> {
    let place = cloud.url.place(name);
    let unasked = |reason: &str| StoreError::Answer { place: place.clone(), reason: reason.to_owned() };
    let (s3, region) = cloud.s3.as_ref().ok_or_else(|| unasked("no object lock"))?;
    let key = cloud.key(name)?;
    let body = format!(
        "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>COMPLIANCE</Mode>\
         <RetainUntilDate>{until}</RetainUntilDate></Retention>"
    );
    let response = cloud.runtime.block_on(async {
        // The object's own URL is nowhere else to be had; the signature in this one is thrown away.
        let signed = s3.signed_url(Method::GET, &key, Duration::from_secs(1)).await;
        let mut url = signed.map_err(|error| cloud.failed(name, &error))?;
        url.set_query(Some("retention"));
        let credential = s3.credentials().get_credential().await;
        let credential = credential.map_err(|error| cloud.failed(name, &error))?;
        let digest = Sha256::digest(body.as_bytes());
        let request = Request::builder()
            .method(Method::PUT)
            .uri(url.as_str())
            .header("x-amz-checksum-sha256", Base64::encode_string(&digest))
            .header("x-amz-sdk-checksum-algorithm", "SHA256")
            .body(HttpRequestBody::from(body));
        let mut request: HttpRequest = request.map_err(|_| unasked("a request that could not be made"))?;
        let authorizer = AwsAuthorizer::new(&credential, "s3", region);
        authorizer.try_authorize(&mut request, Some(&digest)).map_err(|error| cloud.failed(name, &error))?;
        cloud.service.answer(request).await
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let bytes = cloud.runtime.block_on(response.into_body().bytes()).unwrap_or_default();
    Err(refused(&place, status, reason_of(status, &bytes)))
}
